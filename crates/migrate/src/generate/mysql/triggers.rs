//! Triggers: the order in which they fire, the columns that they name, and how their table is written.

use database::script::{self, Lexeme, LexemeKind};
use database::{Engine, Kind, Object, Schema};

use super::ident;

/// Whether two of the same text fire in the same place among the others of their table, which stands in no text. One whose
/// predecessor goes is the first by itself.
pub(super) fn fire_alike(one: &Object, other: &Object) -> bool {
    let follows = |object: &Object| object.depends_on.iter().find(|need| need.kind == Kind::Trigger).cloned();
    [None, follows(one)].contains(&follows(other))
}

/// The triggers on a table whose bodies name a column of it, which the server does not take without that column; and those
/// that fire after one of them, since what is made again is the last.
pub(super) fn naming<'s>(table: &Object, column: &str, schema: &'s Schema) -> Vec<&'s Object> {
    let column = column.to_lowercase();
    let names = |trigger: &Object| {
        let lexemes = script::lexemes(Engine::Mysql, &trigger.definition).unwrap_or_default();
        lexemes.iter().filter_map(Lexeme::identifier).any(|name| name.to_lowercase() == column)
    };
    let mut found: Vec<&Object> = Vec::new();
    let of_table = |one: &&Object| one.id.kind == Kind::Trigger && one.id.of == table.id.name;
    for trigger in schema.objects.iter().filter(of_table) {
        let follows = trigger.depends_on.iter().any(|need| found.iter().any(|one| one.id == *need));
        if follows || names(trigger) {
            found.push(trigger);
        }
    }
    found
}

/// A trigger's text with its table in backticks, as MariaDB writes it once the table got another name.
pub(super) fn on_quoted(text: &str) -> Option<String> {
    let lexemes = script::lexemes(Engine::Mysql, text).ok()?;
    let trigger = lexemes.iter().position(|lexeme| lexeme.is("TRIGGER"))?;
    let on = trigger + lexemes[trigger..].iter().position(|lexeme| lexeme.is("ON"))?;
    let table = lexemes.get(on + 1)?;
    // An identifier that is a word keeps its letters.
    let name = if table.kind == LexemeKind::Word { table.text.to_owned() } else { table.identifier()? };
    let start = table.text.as_ptr() as usize - text.as_ptr() as usize;
    Some(format!("{}{}{}", &text[..start], ident(&name), &text[start + table.text.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_a_trigger_stands_in_backticks() {
        let plain = "SET sql_mode = '';\nDELIMITER ;;\nCREATE TRIGGER t BEFORE UPDATE ON Item FOR EACH ROW SET NEW.a = 1\n;;\n";
        assert_eq!(on_quoted(plain).unwrap(), plain.replace("Item", "`Item`"));
        assert_eq!(on_quoted(&plain.replace("Item", "`a``b`")).unwrap(), plain.replace("Item", "`a``b`"));
    }
}
