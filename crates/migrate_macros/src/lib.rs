//! `embed_migrations!`: the files of migrations as a part of an application.
//!
//! Each file becomes an `include_str!`, so that the compiler itself takes notice of its changes.

use std::path::{Path, PathBuf};

use proc_macro::{TokenStream, TokenTree};

/// The migrations of a folder and the rollbacks of another one, as `migrate::Embedded`: `embed_migrations!()` takes
/// `migrations` and `rollback`, `embed_migrations!("db/migrations", "db/rollback")` others. Paths are those from the
/// package's own folder.
///
/// A file that is changed or removed is a reason to build the package again. One that is added is, where the package's
/// `build.rs` says `println!("cargo:rerun-if-changed=migrations");`; otherwise an application that was built for debugging
/// refuses to start without it, as long as it finds the folder.
#[proc_macro]
pub fn embed_migrations(input: TokenStream) -> TokenStream {
    expand(input)
        .unwrap_or_else(|message| format!("::core::compile_error!({message:?})"))
        .parse()
        .unwrap_or_default()
}

fn expand(input: TokenStream) -> Result<String, String> {
    let mut folders = Vec::new();
    for token in input {
        match token {
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                folders.push(
                    inner
                        .filter(|text| !text.contains('\\'))
                        .ok_or("a folder is a plain \"text\"")?
                        .to_owned(),
                );
            }
            TokenTree::Punct(punct) if punct.as_char() == ',' => {}
            other => return Err(format!("`{other}` is not the name of a folder")),
        }
    }
    let [migrations, rollback] = match folders.as_slice() {
        [] => ["migrations".to_owned(), "rollback".to_owned()],
        [migrations, rollback] => [migrations.clone(), rollback.clone()],
        _ => return Err("two folders: embed_migrations!(\"migrations\", \"rollback\"), or none".to_owned()),
    };
    let root =
        std::env::var("CARGO_MANIFEST_DIR").map_err(|_| "CARGO_MANIFEST_DIR is not set: build with cargo")?;
    let root = Path::new(&root);
    let folders = [
        ("migrations", root.join(&migrations)),
        ("migrations/repeatable", root.join(format!("{migrations}/repeatable"))),
        ("rollback", root.join(rollback)),
    ];
    let (mut files, mut places) = (String::new(), String::new());
    for (place, folder) in &folders {
        let paths = if *place == "migrations" || folder.is_dir() { sql_files(folder)? } else { Vec::new() };
        if paths.is_empty() && *place == "migrations" {
            return Err(format!("{} holds no .sql file", folder.display()));
        }
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let path = utf8(&path)?;
            files.push_str(&format!("({:?}, ::core::include_str!({path:?})),", format!("{place}/{name}")));
        }
        places.push_str(&format!("({place:?}, {:?}),", utf8(folder)?));
    }
    // Where the sources lie says nothing of where a release will run.
    let places = format!("if ::core::cfg!(debug_assertions) {{ &[{places}] }} else {{ &[] }}");
    Ok(format!("::migrate::Embedded {{ files: &[{files}], folders: {places} }}"))
}

fn utf8(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()))
}

fn sql_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")) && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
