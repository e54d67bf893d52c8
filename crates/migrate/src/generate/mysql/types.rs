//! Types and character sets of columns, and whether one holds all that another did.

use database::Engine;
use database::script;

/// What a table says of the letters of columns that say nothing of their own.
pub(super) fn letter_options(tail: &str) -> Vec<String> {
    let lexemes = script::lexemes(Engine::Mysql, super::tail(tail).0).unwrap_or_default();
    let said = lexemes
        .windows(3)
        .filter(|words| (words[0].is("CHARSET") || words[0].is("COLLATE")) && words[1].is_sign(b'='));
    said.map(|words| words[2].text.to_lowercase()).collect()
}

/// The character set of a column, its own or its table's; nothing where it holds no text.
pub(super) fn letters(clause: &str, tail: &str) -> String {
    let named = |text: &str, words: &[&[&str]]| {
        let lexemes = script::lexemes(Engine::Mysql, text).unwrap_or_default();
        let found = words.iter().find_map(|words| {
            let place = lexemes.windows(words.len()).position(|window| script::begins(window, words))?;
            lexemes[place + words.len()..].iter().find(|lexeme| !lexeme.is_sign(b'='))
        });
        found.map(|lexeme| lexeme.text.to_lowercase())
    };
    let base = clause.split([' ', '(']).next().unwrap_or_default().to_lowercase();
    if !["char", "text", "enum", "set"].iter().any(|word| base.contains(word)) {
        return String::new();
    }
    let own = named(clause, &[&["CHARACTER", "SET"], &["CHARSET"]]);
    own.or_else(|| named(tail, &[&["CHARSET"], &["CHARACTER", "SET"]])).unwrap_or_default()
}

/// Whether each letter of a character set is in another one.
pub(super) fn holds_letters(from: &str, to: &str) -> bool {
    from == to || from.is_empty() || to.is_empty() || to == "utf8mb4" || from == "ascii"
}

/// Whether every value of a column fits into what it becomes, by the first words of both clauses.
pub(super) fn keeps(was: &str, is: &str) -> bool {
    let kind = |clause: &str| -> (String, Vec<String>, bool) {
        let lexemes = script::lexemes(Engine::Mysql, clause).unwrap_or_default();
        let base = lexemes.first().map_or_else(String::new, |first| first.text.to_lowercase());
        let has_list = lexemes.get(1).is_some_and(|next| next.is_sign(b'('));
        let inside = lexemes.iter().skip(2).take_while(|lexeme| has_list && !lexeme.is_sign(b')'));
        let list =
            inside.filter(|lexeme| !lexeme.is_sign(b',')).map(|lexeme| lexeme.text.to_owned()).collect();
        (base, list, lexemes.iter().any(|lexeme| lexeme.is("UNSIGNED")))
    };
    const WHOLE: &[&str] = &["tinyint", "smallint", "mediumint", "int", "bigint"];
    const TEXTS: &[&str] = &["tinytext", "text", "mediumtext", "longtext"];
    let (old, old_list, old_unsigned) = kind(was);
    let (new, new_list, new_unsigned) = kind(is);
    let place = |list: &[&str], name: &str| list.iter().position(|one| *one == name);
    let numbers =
        |list: &[String]| -> Vec<u32> { list.iter().filter_map(|text| text.parse().ok()).collect() };
    if let (Some(from), Some(to)) = (place(WHOLE, &old), place(WHOLE, &new)) {
        return old_unsigned == new_unsigned && from <= to;
    }
    if let (Some(from), Some(to)) = (place(TEXTS, &old), place(TEXTS, &new)) {
        return from <= to;
    }
    match (old.as_str(), new.as_str()) {
        ("enum" | "set", _) if old == new => old_list.iter().all(|label| new_list.contains(label)),
        ("varchar" | "char", "text" | "mediumtext" | "longtext") => true,
        ("varchar" | "char" | "varbinary", _) if old == new => numbers(&old_list) <= numbers(&new_list),
        ("char", "varchar") => numbers(&old_list) <= numbers(&new_list),
        ("decimal", "decimal") => {
            let (from, to) = (numbers(&old_list), numbers(&new_list));
            let whole = |list: &[u32]| {
                list.first().copied().unwrap_or(10).saturating_sub(list.get(1).copied().unwrap_or(0))
            };
            old_unsigned == new_unsigned && whole(&from) <= whole(&to) && from.get(1) <= to.get(1)
        }
        _ => old == new && old_list == new_list && old_unsigned == new_unsigned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_hold_all_is_known() {
        for (was, is) in [
            ("int(11) NOT NULL", "bigint(20) DEFAULT 1"),
            ("varchar(20)", "varchar(40)"),
            ("enum('a','b')", "enum('b','c','a')"),
            ("decimal(8,2)", "decimal(10,3)"),
            ("datetime", "datetime DEFAULT NULL"),
        ] {
            assert!(keeps(was, is), "{was} to {is}");
            assert!(!keeps(is, was) || was.starts_with("datetime"), "{is} to {was}");
        }
        assert!(
            !keeps("int(11)", "int(11) unsigned")
                && !keeps("datetime", "datetime(3)".trim_end_matches("(3)").trim_end_matches("time"))
        );
    }
}
