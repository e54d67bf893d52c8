//! The clauses of a definition, found by tokens: one reading for every engine.

use database::script::Lexeme;

/// The place of the bracket that closes the one at a place, or the end.
pub(crate) fn closing(lexemes: &[Lexeme<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (place, lexeme) in lexemes.iter().enumerate().skip(open) {
        if lexeme.is_sign(b'(') {
            depth += 1;
        } else if lexeme.is_sign(b')') {
            depth -= 1;
            if depth == 0 {
                return place;
            }
        }
    }
    lexemes.len()
}

/// The clauses of a list, at the commas outside of its own brackets.
pub(crate) fn split<'l, 'a>(lexemes: &'l [Lexeme<'a>]) -> Vec<&'l [Lexeme<'a>]> {
    let (mut depth, mut from, mut clauses) = (0_usize, 0, Vec::new());
    for (place, lexeme) in lexemes.iter().enumerate() {
        if lexeme.is_sign(b'(') {
            depth += 1;
        } else if lexeme.is_sign(b')') {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && lexeme.is_sign(b',') {
            clauses.push(&lexemes[from..place]);
            from = place + 1;
        }
    }
    clauses.push(&lexemes[from..]);
    clauses.retain(|clause| !clause.is_empty());
    clauses
}

/// The text from the first of the tokens to the last one, and to the end of a conditional comment that the last one is in:
/// MySQL writes `/*!80023 INVISIBLE */` at the end of a clause.
pub(crate) fn span(text: &str, lexemes: &[Lexeme<'_>]) -> Option<String> {
    let start_of = |lexeme: &Lexeme<'_>| lexeme.text.as_ptr() as usize - text.as_ptr() as usize;
    let end_of = |lexeme: &Lexeme<'_>| start_of(lexeme) + lexeme.text.len();
    let start = start_of(lexemes.first()?);
    let mut end = end_of(lexemes.last()?);
    let mut is_open = false;
    for pair in lexemes.windows(2) {
        let between = text.get(end_of(&pair[0])..start_of(&pair[1]))?;
        let opened = between.rfind("/*!").max(between.rfind("/*M!"));
        is_open = match (opened, between.rfind("*/")) {
            (None, None) => is_open,
            (opened, closed) => opened > closed,
        };
    }
    if is_open {
        end += text.get(end..)?.find("*/")? + "*/".len();
    }
    text.get(start..end).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use database::{Engine, script};

    use super::*;

    #[test]
    fn a_conditional_comment_is_part_of_its_clause() {
        let text = "`a` int /*!80023 INVISIBLE */, KEY `b` (`a`) /*!80000 INVISIBLE */ COMMENT '*/', /* no */ `c` int /* c */";
        let lexemes = script::lexemes(Engine::Mysql, text).unwrap();
        let clauses: Vec<String> = split(&lexemes).iter().filter_map(|clause| span(text, clause)).collect();
        assert_eq!(
            clauses,
            ["`a` int /*!80023 INVISIBLE */", "KEY `b` (`a`) /*!80000 INVISIBLE */ COMMENT '*/'", "`c` int"]
        );
    }
}
