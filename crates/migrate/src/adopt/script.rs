//! Texts that other tools send whole, as the native client takes them.

use database::Engine;
use database::script::split;

/// What a body that the client would cut at its semicolons is ended with.
const DELIMITER: &str = "//";

/// One statement, whatever semicolons are in it.
pub(super) fn one_statement(engine: Engine, text: &str) -> String {
    let text = text.trim();
    let bare = text.trim_end_matches(';').trim_end();
    if engine == Engine::Mysql && bare.contains(';') {
        return delimited(bare);
    }
    format!("{bare};\n")
}

/// A text of several statements, as a server takes it that is sent all of it at once. On MySQL the bodies of routines and
/// triggers get the `DELIMITER` that the client wants of them; elsewhere the client knows them by itself.
pub(super) fn statements(engine: Engine, text: &str) -> String {
    let has_delimiter = text.lines().any(|line| {
        line.trim_start().get(..10).is_some_and(|start| start.eq_ignore_ascii_case("DELIMITER "))
    });
    if engine != Engine::Mysql || has_delimiter {
        return ended(text);
    }
    let Ok(pieces) = split(engine, text) else { return ended(text) };
    let mut adopted = String::new();
    let mut copied = 0;
    let mut body: Option<(usize, i32)> = None;
    for piece in &pieces {
        let words = words(piece.text);
        let end = piece.offset + piece.text.len();
        if body.is_none() && is_body(&words) {
            body = Some((piece.offset, 0));
        }
        let Some((start, depth)) = body.as_mut() else { continue };
        *depth += depth_of(&words);
        if *depth > 0 {
            continue;
        }
        let start = *start;
        body = None;
        if !text[start..end].contains(';') {
            continue;
        }
        adopted.push_str(&text[copied..start]);
        adopted.push_str(&delimited(&text[start..end]));
        // The semicolon is the delimiter's now.
        copied = end + text[end..].find(';').map_or(0, |place| place + 1);
    }
    adopted.push_str(text.get(copied..).unwrap_or_default());
    ended(&adopted)
}

/// Statements that end with something else than a semicolon, as the native client takes them.
pub(super) fn redelimited(engine: Engine, text: &str, delimiter: &str) -> String {
    if engine == Engine::Mysql && !delimiter.trim().is_empty() {
        return format!("DELIMITER {}\n{}\nDELIMITER ;\n", delimiter.trim(), text.trim());
    }
    let pieces = text.split(delimiter).filter(|piece| has_statement(piece));
    pieces.map(|piece| one_statement(engine, piece)).collect::<Vec<_>>().join("\n")
}

/// Whether there is more in a text than comments.
pub(super) fn has_statement(text: &str) -> bool {
    crate::files::has_statement(text)
}

fn delimited(body: &str) -> String {
    format!("DELIMITER {DELIMITER}\n{}\n{DELIMITER}\nDELIMITER ;\n", body.trim())
}

/// With a newline last.
fn ended(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

/// In capitals, without what stands in quotes and comments.
fn words(statement: &str) -> Vec<String> {
    let lexemes = database::script::lexemes(Engine::Mysql, statement).unwrap_or_default();
    let bare = lexemes.iter().filter(|lexeme| !lexeme.text.starts_with(['"', '`']));
    bare.filter_map(|lexeme| lexeme.identifier()).map(|word| word.to_ascii_uppercase()).collect()
}

/// Whether a piece makes something that has a body: the first kind of object in it says so, not a name that follows.
fn is_body(words: &[String]) -> bool {
    let kind = words.iter().map(String::as_str).find(|word| {
        matches!(
            *word,
            "TRIGGER"
                | "PROCEDURE"
                | "FUNCTION"
                | "EVENT"
                | "TABLE"
                | "VIEW"
                | "INDEX"
                | "SEQUENCE"
                | "DATABASE"
                | "USER"
                | "ROLE"
        )
    });
    words.first().is_some_and(|word| word == "CREATE")
        && matches!(kind, Some("TRIGGER" | "PROCEDURE" | "FUNCTION" | "EVENT"))
}

/// How many blocks a piece opens, less those that it closes. A body may be one `IF` or loop without a `BEGIN`, and a `CASE`
/// within a statement has an `END` of its own; `IF(…)` and `REPEAT(…)` within one are functions.
fn depth_of(words: &[String]) -> i32 {
    let mut depth = 0;
    for (place, word) in words.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| words.get(before)).map(String::as_str);
        let after = words.get(place + 1).map(String::as_str);
        let begins =
            matches!(before, None | Some("BEGIN" | "THEN" | "ELSE" | "DO" | "LOOP" | "REPEAT" | "ROW"));
        match word.as_str() {
            "END" => depth -= 1,
            _ if before == Some("END") => {}
            "BEGIN" | "CASE" | "LOOP" | "WHILE" => depth += 1,
            "IF" if begins && !matches!(after, Some("NOT" | "EXISTS")) => depth += 1,
            "REPEAT" if begins => depth += 1,
            _ => {}
        }
    }
    depth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_mysql_get_a_delimiter() {
        let text = "CREATE TABLE a (b int);\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN\n  IF NEW.b > 1 THEN SET NEW.b = 1; END IF;\n  \
                    SET NEW.b = CASE WHEN NEW.b = 0 THEN 1 ELSE 2 END;\nEND;\nINSERT INTO a VALUES (1);\n";
        let adopted = statements(Engine::Mysql, text);
        let pieces = split(Engine::Mysql, &adopted).unwrap();
        assert_eq!(pieces.len(), 3, "{adopted}");
        assert!(pieces[1].text.starts_with("CREATE TRIGGER") && pieces[1].text.ends_with("END"), "{adopted}");
        assert!(pieces[2].text.starts_with("INSERT"), "{adopted}");
        // A body without a block, and one that is no body.
        let text = "CREATE TABLE event (begin int, c int);\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW IF NEW.b > 1 THEN SET NEW.b = \
                    IF(NEW.b > 2, 3, 4); WHILE NEW.b > 1 DO SET NEW.b = NEW.b - 1; END WHILE; END IF;\nSELECT 1;\n";
        let bodies = statements(Engine::Mysql, text);
        let pieces = split(Engine::Mysql, &bodies).unwrap();
        assert_eq!(pieces.len(), 3, "{bodies}");
        // Elsewhere the client knows them.
        assert_eq!(statements(Engine::Sqlite, text), text);
        let own = "DELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT 1; END$$\nDELIMITER ;\n";
        assert_eq!(statements(Engine::Mysql, own), own);
    }

    #[test]
    fn one_statement_stays_one() {
        assert_eq!(one_statement(Engine::Postgres, "SELECT 1;\n"), "SELECT 1;\n");
        let body = one_statement(Engine::Mysql, "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END;");
        assert_eq!(split(Engine::Mysql, &body).unwrap().len(), 1, "{body}");
    }
}
