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

/// The text from the first of the tokens to the last one.
pub(crate) fn span(text: &str, lexemes: &[Lexeme<'_>]) -> Option<String> {
    let start = lexemes.first()?.text.as_ptr() as usize - text.as_ptr() as usize;
    let last = lexemes.last()?.text;
    let end = last.as_ptr() as usize + last.len() - text.as_ptr() as usize;
    text.get(start..end).map(str::to_owned)
}
