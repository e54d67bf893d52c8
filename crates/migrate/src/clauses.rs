//! The clauses of a definition, found by tokens: one reading for every engine.

use database::script::Lexeme;
pub(crate) use database::script::{clauses as split, closing};

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
