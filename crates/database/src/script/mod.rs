//! Cutting a script into statements, as the engine's native client would.

/// One statement of a script, as it is sent to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its text without the terminator and without leading blanks and comments.
    pub text: &'a str,
    /// The line of the script on which it starts, from 1.
    pub line: usize,
    /// Where it starts in the script, in bytes.
    pub offset: usize,
    /// The rows that follow a `COPY … FROM stdin`, without the closing `\.`.
    pub copy_rows: Option<&'a str>,
}
