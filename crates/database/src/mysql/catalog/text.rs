//! The texts that `SHOW CREATE` gives, taken apart by tokens.

use crate::script::mysql::{Lexer, Quoting};
use crate::script::token::{Kind, Token};
use crate::{Error, ErrorKind, Result};

/// `CREATE TABLE` as its three pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// Up to the bracket and its line end: ``CREATE TABLE `t` (``.
    pub head: String,
    /// The columns, keys and constraints, each without its comma.
    pub clauses: Vec<String>,
    /// From the closing bracket on: engine, options, partitions.
    pub tail: String,
}

impl Create {
    /// Takes a text of `SHOW CREATE TABLE` apart.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for a text of another shape.
    pub fn read(text: &str) -> Result<Self> {
        let odd = || {
            Error::new(
                ErrorKind::Internal,
                format!(
                    "the server's CREATE TABLE cannot be read: {}",
                    text.lines().next().unwrap_or_default()
                ),
            )
        };
        let tokens = tokens(text)?;
        let open = tokens.iter().position(|token| token.kind == Kind::Sign(b'(')).ok_or_else(odd)?;
        let mut depth = 0_usize;
        let mut start = tokens[open].end;
        let mut clauses = Vec::new();
        for token in &tokens[open..] {
            match token.kind {
                Kind::Sign(b'(') => depth += 1,
                Kind::Sign(b')') => depth -= 1,
                _ => {}
            }
            let ends = depth == 0;
            if ends || depth == 1 && token.kind == Kind::Sign(b',') {
                clauses.push(text[start..token.start].trim().to_owned());
                start = token.end;
            }
            if ends {
                let (head, tail) = (text[..tokens[open].end].to_owned(), text[token.start..].to_owned());
                return Ok(Self { head, clauses, tail });
            }
        }
        Err(odd())
    }

    /// The text again.
    pub fn text(&self) -> String {
        format!("{}\n  {}\n{}", self.head, self.clauses.join(",\n  "), self.tail)
    }

    /// Takes `AUTO_INCREMENT=n` out of the options; returns the number.
    pub fn take_counter(&mut self) -> Result<Option<String>> {
        let tokens = tokens(&self.tail)?;
        let word = |token: &Token| &self.tail[token.start..token.end];
        let found = tokens.windows(3).find(|three| {
            word(&three[0]).eq_ignore_ascii_case("AUTO_INCREMENT")
                && three[1].kind == Kind::Sign(b'=')
                && three[2].kind == Kind::Number
        });
        let Some(three) = found else { return Ok(None) };
        let number = word(&three[2]).to_owned();
        let (start, end) = (three[0].start, three[2].end);
        let tail = format!("{}{}", self.tail[..start].trim_end_matches(' '), &self.tail[end..]);
        self.tail = tail;
        Ok(Some(number))
    }

    /// The tablespaces that it names, but those that every server has: <https://dev.mysql.com/doc/refman/8.4/en/general-tablespaces.html>.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for a text that is not SQL.
    pub fn tablespaces(&self) -> Result<Vec<String>> {
        let tokens = tokens(&self.tail)?;
        let introduces = |token: &Token| {
            token.kind == Kind::Word && self.tail[token.start..token.end].eq_ignore_ascii_case("TABLESPACE")
        };
        let places = (0..tokens.len()).filter(|at| introduces(&tokens[*at]));
        let named = places.filter_map(|at| {
            let mut next = tokens[at + 1..].iter().filter(|token| token.kind != Kind::Sign(b'='));
            let name = next.next().filter(|token| token.kind == Kind::Name)?;
            Some(unquoted(&self.tail[name.start..name.end]))
        });
        Ok(named.filter(|name| !name.starts_with("innodb_")).collect())
    }

    /// Takes the foreign keys out; returns each one's name and clause.
    pub fn take_foreign_keys(&mut self) -> Result<Vec<(String, String)>> {
        let mut taken = Vec::new();
        for clause in std::mem::take(&mut self.clauses) {
            match foreign_key(&clause)? {
                Some(name) => taken.push((name, clause)),
                None => self.clauses.push(clause),
            }
        }
        Ok(taken)
    }
}

/// A column's clause without a collation that stands alone, which is the table's: MySQL prints it where it is not the
/// character set's first one, and a column that is made with it is another one, with its character set printed too.
///
/// # Errors
/// [`ErrorKind::Internal`] for a text that is not SQL.
pub fn without_implied_collation(clause: &str) -> Result<String> {
    let tokens = tokens(clause)?;
    let word = |number: usize| tokens.get(number).map_or("", |token| &clause[token.start..token.end]);
    // The name, the type, and what the type has in brackets.
    let mut place = 2;
    if word(place) == "(" {
        let end = tokens.iter().skip(place).position(|token| token.kind == Kind::Sign(b')'));
        place += end.map_or(0, |end| end + 1);
    }
    let is_column = tokens.first().is_some_and(|token| token.kind == Kind::Name);
    match (tokens.get(place.wrapping_sub(1)), tokens.get(place + 1)) {
        (Some(before), Some(name)) if is_column && word(place) == "COLLATE" => {
            Ok(format!("{}{}", &clause[..before.end], &clause[name.end..]))
        }
        _ => Ok(clause.to_owned()),
    }
}

/// The name of a foreign key's clause.
fn foreign_key(clause: &str) -> Result<Option<String>> {
    let tokens = tokens(clause)?;
    let word = |number: usize| tokens.get(number).map_or("", |token| &clause[token.start..token.end]);
    let is = |number: usize, wanted: &str| word(number).eq_ignore_ascii_case(wanted);
    if is(0, "CONSTRAINT") && is(2, "FOREIGN") && is(3, "KEY") {
        return Ok(Some(unquoted(word(1))));
    }
    Ok(None)
}

/// The columns of the primary key, where it is one of whole columns; `SHOW CREATE TABLE`'s clauses.
pub fn primary_key(clauses: &[String]) -> Vec<String> {
    let columns = key_columns(clauses);
    if columns.iter().any(|column| column.is_part) {
        return Vec::new();
    }
    columns.into_iter().map(|column| column.name).collect()
}

/// The columns that the primary key begins with, up to one that it has a part of only, or in descending order;
/// `SHOW CREATE TABLE`'s clauses.
pub fn primary_key_start(clauses: &[String]) -> Vec<String> {
    let plain = |column: KeyColumn| (!column.is_part && !column.descends).then_some(column.name);
    key_columns(clauses).into_iter().map_while(plain).collect()
}

/// A column of the primary key.
struct KeyColumn {
    name: String,
    /// Whether only its first characters are in the key: `(20)`.
    is_part: bool,
    descends: bool,
}

fn key_columns(clauses: &[String]) -> Vec<KeyColumn> {
    let clause = clauses.iter().find(|clause| clause.starts_with("PRIMARY KEY"));
    let Some((clause, Ok(tokens))) = clause.map(|clause| (clause, tokens(clause))) else { return Vec::new() };
    let mut depth = 0_usize;
    let mut columns: Vec<KeyColumn> = Vec::new();
    for token in &tokens {
        let text = &clause[token.start..token.end];
        match token.kind {
            Kind::Sign(b'(') => depth += 1,
            Kind::Sign(b')') if depth == 1 => return columns,
            Kind::Sign(b')') => depth -= 1,
            Kind::Name if depth == 1 => {
                columns.push(KeyColumn { name: unquoted(text), is_part: false, descends: false });
            }
            Kind::Number if depth == 2 => {
                if let Some(column) = columns.last_mut() {
                    column.is_part = true;
                }
            }
            Kind::Word if depth == 1 && text.eq_ignore_ascii_case("DESC") => {
                if let Some(column) = columns.last_mut() {
                    column.descends = true;
                }
            }
            _ => {}
        }
    }
    Vec::new()
}

/// A definition that was written under a mode, without the name of its own database before the names in it, up to `end`.
///
/// # Errors
/// [`ErrorKind::Internal`] for a text that is not SQL.
pub fn without_database(text: &str, database: &str, mode: &str, end: usize) -> Result<String> {
    let tokens = tokens_in(text, mode)?;
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (number, three) in tokens.windows(3).enumerate() {
        let [name, dot, next] = three else { continue };
        if next.end > end || dot.kind != Kind::Sign(b'.') || !matches!(next.kind, Kind::Name | Kind::Word) {
            continue;
        }
        let inner = number > 0 && tokens[number - 1].kind == Kind::Sign(b'.');
        let own =
            matches!(name.kind, Kind::Name | Kind::Word) && unquoted(&text[name.start..name.end]) == database;
        if own && !inner && at <= name.start {
            out.push_str(&text[at..name.start]);
            at = dot.end;
        }
    }
    out.push_str(&text[at..]);
    Ok(out)
}

/// What a view's text as the server prints it reads from: the names behind `FROM`, `JOIN` and their brackets, of the own
/// database.
///
/// # Errors
/// [`ErrorKind::Internal`] for a text that is not SQL.
pub(super) fn tables_of(text: &str, database: &str) -> Result<Vec<String>> {
    let tokens = tokens(text)?;
    let word = |token: &Token| &text[token.start..token.end];
    let introduces = |token: &Token| match token.kind {
        Kind::Sign(sign) => sign == b'(',
        _ => ["FROM", "JOIN", "STRAIGHT_JOIN"].iter().any(|one| word(token).eq_ignore_ascii_case(one)),
    };
    let is_name = |at: usize| tokens.get(at).is_some_and(|token| token.kind == Kind::Name);
    let is_dot = |at: usize| tokens.get(at).is_some_and(|token| token.kind == Kind::Sign(b'.'));
    let mut names = Vec::new();
    for (at, _) in tokens.iter().enumerate().filter(|(_, token)| introduces(token)) {
        // `database`.`table`, or the table alone where that is the session's database.
        let place = match is_name(at + 1) && is_dot(at + 2) {
            true if unquoted(word(&tokens[at + 1])) == database => at + 3,
            true => continue,
            false => at + 1,
        };
        if is_name(place) && !is_dot(place + 1) {
            names.push(unquoted(word(&tokens[place])));
        }
    }
    Ok(names)
}

/// Where a trigger's body begins: after `FOR EACH ROW`.
pub(super) fn trigger_body(text: &str, mode: &str) -> Result<usize> {
    let tokens = tokens_in(text, mode)?;
    let is = |token: &Token, word: &str| text[token.start..token.end].eq_ignore_ascii_case(word);
    let found = tokens
        .windows(3)
        .find(|three| is(&three[0], "FOR") && is(&three[1], "EACH") && is(&three[2], "ROW"))
        .map(|three| three[2].end);
    found.ok_or_else(|| Error::new(ErrorKind::Internal, "the server's CREATE TRIGGER has no FOR EACH ROW"))
}

/// An event's text made switched off, if it is switched on: the first ENABLE outside of brackets, before its DO.
pub(super) fn disabled(text: &str, mode: &str) -> Result<Option<String>> {
    let tokens = tokens_in(text, mode)?;
    for token in &tokens {
        let word = &text[token.start..token.end];
        if token.kind == Kind::Word && word.eq_ignore_ascii_case("ENABLE") {
            return Ok(Some(format!("{}DISABLE{}", &text[..token.start], &text[token.end..])));
        }
        if token.kind == Kind::Word
            && (word.eq_ignore_ascii_case("DISABLE") || word.eq_ignore_ascii_case("DO"))
        {
            return Ok(None);
        }
    }
    Ok(None)
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    tokens_in(text, "")
}

/// The tokens of a text that was written under a mode.
fn tokens_in(text: &str, mode: &str) -> Result<Vec<Token>> {
    Lexer::tokens(text, Quoting::of(mode)).map_err(|unfinished| {
        Error::new(
            ErrorKind::Internal,
            format!("the server sent a definition in which {} does not end", unfinished.what),
        )
    })
}

pub(super) fn unquoted(name: &str) -> String {
    for (quote, doubled) in [("`", "``"), ("\"", "\"\"")] {
        if let Some(inner) = name.strip_prefix(quote).and_then(|inner| inner.strip_suffix(quote)) {
            return inner.replace(doubled, quote);
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "CREATE TABLE `c` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `e` enum('a,','(b') DEFAULT 'it''s \\'',\n  \
         PRIMARY KEY (`id`,`e`(3)),\n  CONSTRAINT `fk``1` FOREIGN KEY (`id`) REFERENCES `p` (`id`),\n  CONSTRAINT `x` CHECK (`e` <> 'FOREIGN KEY')\n\
         ) ENGINE=InnoDB AUTO_INCREMENT=77 DEFAULT CHARSET=latin1 COMMENT='AUTO_INCREMENT=5'";

    #[test]
    fn a_table_is_taken_apart_and_put_together() {
        let mut create = Create::read(TABLE).unwrap();
        assert_eq!(create.text(), TABLE);
        assert_eq!(create.clauses.len(), 5);
        assert_eq!(create.take_counter().unwrap().as_deref(), Some("77"));
        assert_eq!(create.take_counter().unwrap(), None);
        let keys = create.take_foreign_keys().unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].0, "fk`1");
        assert_eq!(create.tail, ") ENGINE=InnoDB DEFAULT CHARSET=latin1 COMMENT='AUTO_INCREMENT=5'");
        assert_eq!(primary_key(&create.clauses), Vec::<String>::new());
        assert_eq!(primary_key_start(&create.clauses), ["id"]);
        let both = |clause: &str| (primary_key(&[clause.into()]), primary_key_start(&[clause.into()]));
        let (all, start) = both("PRIMARY KEY (`a`,`b``c`) USING BTREE");
        assert_eq!(all, ["a", "b`c"]);
        assert_eq!(start, all);
        let (all, start) = both("PRIMARY KEY (`a`,`b` DESC)");
        assert_eq!(all, ["a", "b"]);
        assert_eq!(start, ["a"]);
    }

    #[test]
    fn tablespaces_are_named() {
        let of = |tail: &str| {
            Create::read(&format!("CREATE TABLE `t` (\n  `TABLESPACE` int COMMENT 'TABLESPACE `x`'\n{tail}"))
                .unwrap()
                .tablespaces()
                .unwrap()
        };
        assert_eq!(of(") /*!50100 TABLESPACE `it``s` */ ENGINE=InnoDB COMMENT='TABLESPACE `y`'"), ["it`s"]);
        assert_eq!(of(") /*!50100 TABLESPACE `innodb_system` */ ENGINE=InnoDB"), [""; 0]);
        let parts = ") ENGINE=InnoDB\n/*!50100 PARTITION BY HASH (`a`)\n(PARTITION `TABLESPACE` TABLESPACE = `p` ENGINE = InnoDB,\n \
                     PARTITION p1 TABLESPACE = `q` ENGINE = InnoDB) */";
        assert_eq!(of(parts), ["p", "q"]);
    }

    #[test]
    fn a_collation_that_is_the_tables_goes() {
        for (printed, kept) in [
            ("`a` varchar(10) COLLATE utf8mb4_bin DEFAULT NULL", "`a` varchar(10) DEFAULT NULL"),
            ("`a` longtext COLLATE utf8mb4_bin", "`a` longtext"),
            ("`a` enum('x',') COLLATE y') COLLATE z NOT NULL", "`a` enum('x',') COLLATE y') NOT NULL"),
        ] {
            assert_eq!(without_implied_collation(printed).unwrap(), kept);
        }
        for own in [
            "`COLLATE` varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            "`a` int DEFAULT '1' COMMENT 'COLLATE x'",
            "KEY `COLLATE` (`a`)",
            "CONSTRAINT `c` CHECK ((`a` COLLATE utf8mb4_bin) = 1)",
            "`a` int GENERATED ALWAYS AS (_utf8mb4'x' COLLATE utf8mb4_bin) VIRTUAL",
        ] {
            assert_eq!(without_implied_collation(own).unwrap(), own);
        }
    }

    #[test]
    fn a_database_is_taken_out_of_names_only() {
        let text = "select `shop`.`t`.`a`,`t`.`shop`.`x`, 'shop.t', shop . f(1) from shop.t, other.t";
        let out = without_database(text, "shop", "", text.len()).unwrap();
        assert_eq!(out, "select `t`.`a`,`t`.`shop`.`x`, 'shop.t',  f(1) from t, other.t");
    }

    #[test]
    fn what_a_view_is_made_of() {
        let text = "CREATE VIEW `shop`.`v` AS select `t`.`a` AS `b`,max(`c`.`d`) AS `e` from ((`shop`.`t` join `c` on(`t`.`a` = `c`.`a`)) \
                    left join `shop`.`d``x` `u` on(1)) where exists(select 1 from `other`.`e` where `e`.`a` in (`t`.`a`)) group by `t`.`a`";
        assert_eq!(tables_of(text, "shop").unwrap(), ["t", "c", "d`x"]);
    }

    #[test]
    fn events_are_switched_off() {
        let event =
            "CREATE EVENT `ENABLE` ON SCHEDULE EVERY 1 DAY ENABLE COMMENT 'x' DO ALTER EVENT e ENABLE";
        let off = "CREATE EVENT `ENABLE` ON SCHEDULE EVERY 1 DAY DISABLE COMMENT 'x' DO ALTER EVENT e ENABLE";
        assert_eq!(disabled(event, "").unwrap().as_deref(), Some(off));
        assert_eq!(disabled(off, "").unwrap(), None);
    }
}
