//! Names as they are typed: parts with dots between them, in quotes where a part needs them.

/// The places of a sign that is in no quotes.
pub(super) fn outside_quotes(text: &str, sign: char) -> impl Iterator<Item = usize> {
    let mut quote = None;
    text.char_indices().filter_map(move |(place, c)| {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '`') => quote = Some(c),
            None if c == sign => return Some(place),
            None => {}
        }
        None
    })
}

/// The parts of a name, without their quotes.
pub(super) fn parts(name: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut start = 0;
    for end in outside_quotes(name, '.').chain([name.len()]) {
        parts.push(unquoted(name[start..end].trim()));
        start = end + 1;
    }
    parts
}

/// A part as it has to be typed.
pub(super) fn quoted(part: &str) -> String {
    let needs = part.is_empty() || part.trim() != part || part.contains(['.', '=', '"', '`']);
    if needs { format!("\"{}\"", part.replace('"', "\"\"")) } else { part.to_owned() }
}

fn unquoted(part: &str) -> String {
    for quote in ["\"", "`"] {
        if let Some(inner) = part.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner.replace(&quote.repeat(2), quote);
        }
    }
    part.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_dots_stand_in_quotes() {
        for part in ["item", "a.b", "a=b", "say \"it\"", " blank", "tick`"] {
            assert_eq!(parts(&format!("{}.{}", quoted(part), quoted("x"))), [part, "x"]);
        }
        assert_eq!(parts("public.item.title"), ["public", "item", "title"]);
        assert_eq!(parts("`a.b`.c"), ["a.b", "c"]);
        assert_eq!(outside_quotes("\"a=b\"=c", '=').collect::<Vec<_>>(), [5]);
    }
}
