//! Conditions that are true of every row by their words alone: `WHERE true`, `WHERE 1 = 1`.

use database::script::{Lexeme, LexemeKind};

use crate::clauses;

/// Whether a condition holds for every row, whatever is in it (or, of a column that is compared with itself, is not NULL).
pub(super) fn is_true(condition: &[Lexeme<'_>]) -> bool {
    is_true_within(condition, DEEPEST)
}

/// Nobody writes what is always true in more brackets, and a thread's stack has an end.
const DEEPEST: u32 = 20;

fn is_true_within(condition: &[Lexeme<'_>], depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let condition = without_brackets(condition);
    let any = cut(condition, "OR");
    if any.len() > 1 {
        return any.into_iter().any(|one| is_true_within(one, depth));
    }
    let all = cut(condition, "AND");
    if all.len() > 1 {
        return all.into_iter().all(|one| is_true_within(one, depth));
    }
    match condition {
        [one] => one.is("TRUE") || number(one).is_some_and(|number| number != 0.0),
        [not, rest @ ..] if not.is("NOT") => is_false(rest),
        [one, is, other] if is.is("IS") => one.is("TRUE") && other.is("TRUE"),
        [one, sign @ .., other] if !sign.is_empty() && number(one).is_some() && number(other).is_some() => {
            compares(number(one), sign, number(other))
        }
        _ => equal(condition),
    }
}

/// `false` and `0`.
fn is_false(condition: &[Lexeme<'_>]) -> bool {
    match without_brackets(condition) {
        [one] => one.is("FALSE") || number(one) == Some(0.0),
        _ => false,
    }
}

fn compares(one: Option<f64>, sign: &[Lexeme<'_>], other: Option<f64>) -> bool {
    let sign: String = sign.iter().map(|sign| sign.text).collect();
    match sign.as_str() {
        "=" | "==" => one == other,
        "<>" | "!=" => one != other,
        "<" => one < other,
        "<=" => one <= other,
        ">" => one > other,
        ">=" => one >= other,
        _ => false,
    }
}

/// Whether the same stands on both sides of `=`.
fn equal(condition: &[Lexeme<'_>]) -> bool {
    let Some(place) = condition.iter().position(|lexeme| lexeme.is_sign(b'=')) else { return false };
    // SQLite has `==` too.
    let right = &condition[place + 1..];
    let right = if right.first().is_some_and(|sign| sign.is_sign(b'=')) { &right[1..] } else { right };
    let left = &condition[..place];
    let same = |(one, other): (&Lexeme<'_>, &Lexeme<'_>)| match (one.kind, other.kind) {
        (LexemeKind::Text, LexemeKind::Text) => one.text == other.text,
        _ => one.text.eq_ignore_ascii_case(other.text),
    };
    // What a function gives differs from call to call.
    let plain = left.iter().all(|lexeme| !lexeme.is_sign(b'('));
    plain && !left.is_empty() && left.len() == right.len() && left.iter().zip(right).all(same)
}

fn number(lexeme: &Lexeme<'_>) -> Option<f64> {
    lexeme.text.parse().ok().filter(|_| lexeme.kind == LexemeKind::Number)
}

fn without_brackets<'l, 'a>(mut condition: &'l [Lexeme<'a>]) -> &'l [Lexeme<'a>] {
    while condition.first().is_some_and(|open| open.is_sign(b'('))
        && clauses::closing(condition, 0) + 1 == condition.len()
    {
        condition = &condition[1..condition.len() - 1];
    }
    condition
}

/// What stands between these words, outside of brackets.
fn cut<'l, 'a>(condition: &'l [Lexeme<'a>], word: &str) -> Vec<&'l [Lexeme<'a>]> {
    let (mut depth, mut from, mut pieces) = (0_usize, 0, Vec::new());
    for (place, lexeme) in condition.iter().enumerate() {
        if lexeme.is_sign(b'(') {
            depth += 1;
        } else if lexeme.is_sign(b')') {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && lexeme.is(word) {
            pieces.push(&condition[from..place]);
            from = place + 1;
        }
    }
    pieces.push(&condition[from..]);
    pieces
}

#[cfg(test)]
mod tests {
    use database::Engine;
    use database::script::lexemes;

    use super::*;

    #[test]
    fn what_is_true_of_every_row() {
        for engine in [Engine::Postgres, Engine::Mysql, Engine::Sqlite] {
            let always = |text| is_true(&lexemes(engine, text).unwrap());
            for text in [
                "true",
                "TRUE",
                "1",
                "((1 = 1))",
                "1=1",
                "'a' = 'a'",
                "id = id",
                "NOT false",
                "NOT (0)",
                "price > 3 OR 1 = 1",
                "1 = 1 AND (true OR price > 3)",
                "1 <> 2",
                "2 >= 1",
                "true IS true",
            ] {
                assert!(always(text), "{engine} {text}");
            }
            for text in [
                "",
                "false",
                "0",
                "1 = 0",
                "1 <> 1",
                "2 < 1",
                "a IS true",
                "'a' = 'A'",
                "id",
                "id = 1",
                "price > 3 AND 1 = 1",
                "NOT true",
                "price BETWEEN 0 AND 1",
                "NOT (price BETWEEN 1 AND 0)",
                "f(1) = f(1)",
                "a = b",
                "=",
                "NOT",
                "(1 = 1",
                "OR",
            ] {
                assert!(!always(text), "{engine} {text}");
            }
        }
        assert!(is_true(&lexemes(Engine::Sqlite, "1 == 1").unwrap()));
    }
}
