/// How values of one type become those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cast {
    /// Each value stays what it is, or the statement fails.
    Safe,
    /// The server does it by itself, and may round or cut.
    Assigned,
    /// Through the text.
    Explicit,
}

const WHOLE: &[&str] = &["smallint", "integer", "bigint"];
const NUMBERS: &[&str] = &["smallint", "integer", "bigint", "numeric", "real", "double precision"];
const TEXTS: &[&str] = &["text", "character varying"];

impl Cast {
    pub(super) fn of(from: &str, to: &str) -> Self {
        let (from_base, to_base) = (base(from), base(to));
        let is = |list: &[&str], name: &str| list.contains(&name);
        let times = |name: &str| name.starts_with("timestamp") || name == "date";
        // A text that is too long is an error, and so is a number that is too large.
        let widens = match (from_base.as_str(), to_base.as_str()) {
            (_, to) if is(TEXTS, to) => true,
            (from, "numeric") if is(WHOLE, from) => true,
            (from, to) if is(WHOLE, from) && is(WHOLE, to) => true,
            ("numeric", "numeric") => match (digits(from), digits(to)) {
                (_, None) => true,
                (from, Some(to)) => from.is_some_and(|from| from <= to),
            },
            ("real", "double precision") => true,
            _ => false,
        };
        let numbers = is(NUMBERS, &from_base) && is(NUMBERS, &to_base);
        if widens {
            Self::Safe
        } else if from_base == to_base || numbers || times(&from_base) && times(&to_base) {
            Self::Assigned
        } else {
            Self::Explicit
        }
    }
}

/// A type without what its brackets say.
fn base(data_type: &str) -> String {
    data_type.split('(').next().unwrap_or_default().trim().to_owned()
}

/// How many digits a numeric type keeps after the point, where it says so.
fn digits(data_type: &str) -> Option<i32> {
    let inside = data_type.split_once('(')?.1.split_once(')')?.0;
    inside.split_once(',').map_or(Some(0), |(_, digits)| digits.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_keeps_every_value_is_safe() {
        for (from, to) in [
            ("integer", "bigint"),
            ("integer", "smallint"),
            ("bigint", "numeric(20,2)"),
            ("numeric(10,2)", "numeric(12,4)"),
            ("numeric(10,2)", "numeric"),
            ("character varying(10)", "character varying(5)"),
            ("uuid", "text"),
        ] {
            assert_eq!(Cast::of(from, to), Cast::Safe, "{from} to {to}");
        }
        for (from, to) in
            [("numeric", "numeric(10,2)"), ("numeric(4,3)", "integer"), ("timestamp with time zone", "date")]
        {
            assert_eq!(Cast::of(from, to), Cast::Assigned, "{from} to {to}");
        }
        for (from, to) in [("text", "integer"), ("text", "public.mood"), ("jsonb", "integer[]")] {
            assert_eq!(Cast::of(from, to), Cast::Explicit, "{from} to {to}");
        }
    }
}
