use std::collections::BTreeMap;

use toml::Value;

use super::keys;

const ENGINES: &[&str] = &["postgres", "mysql", "sqlite"];

/// The `${name}`s of migrations: those of every engine, and those of one, which win.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placeholders {
    common: BTreeMap<String, String>,
    engines: BTreeMap<String, BTreeMap<String, String>>,
}

impl Placeholders {
    /// Reads the table `[placeholders]` with its tables for the engines.
    pub(super) fn parse(value: Value) -> Result<Self, String> {
        let mut found = Self::default();
        let Value::Table(table) = value else { return Err("`placeholders` is not a table".to_owned()) };
        for (name, value) in table {
            match value {
                Value::String(text) => {
                    found.common.insert(name, text);
                }
                Value::Table(_) if !ENGINES.contains(&name.as_str()) => {
                    let near = keys::nearest(&name, ENGINES.iter().copied());
                    let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
                    return Err(format!("`placeholders.{name}` is no engine that dbm knows{near}"));
                }
                Value::Table(engine) => {
                    let mut values = BTreeMap::new();
                    for (inner, value) in engine {
                        let Value::String(text) = value else {
                            return Err(format!("the placeholder `{name}.{inner}` is not text in quotes"));
                        };
                        values.insert(inner, text);
                    }
                    found.engines.insert(name, values);
                }
                _ => return Err(format!("the placeholder `{name}` is not text in quotes")),
            }
        }
        Ok(found)
    }

    /// Those of every engine.
    pub(crate) fn common(&self) -> &BTreeMap<String, String> {
        &self.common
    }

    /// Those of one engine alone.
    pub(crate) fn of(&self, engine: &str) -> BTreeMap<String, String> {
        self.engines.get(engine).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Placeholders, String> {
        Placeholders::parse(Value::Table(text.parse().unwrap()))
    }

    #[test]
    fn an_engine_s_own_stand_apart() {
        let found = parse("a = '1'\nb = '2'\n[sqlite]\nb = '3'").unwrap();
        assert_eq!(found.common().len(), 2);
        assert_eq!(found.of("sqlite"), BTreeMap::from([("b".to_owned(), "3".to_owned())]));
        assert!(found.of("postgres").is_empty());
    }

    #[test]
    fn an_unknown_engine_is_an_error() {
        assert!(parse("[sqllite]\nb = '3'").unwrap_err().contains("did you mean `sqlite`?"));
        assert!(parse("a = 1").is_err());
    }
}
