//! Accounts from elsewhere, with the bcrypt hashes that they have there.

use crate::accounts::{check_hash, check_new_name};
use crate::store::{NewUser, PasswordHash, Store, name_key};
use anyhow::{Context, bail};
use common::escape::escape;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::HashSet;
use std::fmt::{self, Write};
use std::path::Path;

/// A JSON object as it stands in the file. A map would keep one of two equal names
/// without an error.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(r#"an object of name to bcrypt hash, {"alice": "$2b$12$…"}"#)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Makes an account for each entry of `file`, or none when any of them is bad,
/// and then says for each what is wrong with it.
pub fn import(store: &Store, file: &Path) -> anyhow::Result<()> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let Entries(entries) =
        serde_json::from_str(&text).with_context(|| format!("{shown} cannot be imported"))?;
    let (count, mut new, mut bad) = (entries.len(), Vec::new(), String::new());
    let mut seen = HashSet::new();
    for (name, hash) in entries {
        match check(store, &mut seen, &name, hash)? {
            Ok(user) => new.push(user),
            Err(why) => write!(bad, "\n  {}: {why}", escape(&name))?,
        }
    }
    if !bad.is_empty() {
        let failed = count - new.len();
        bail!("nothing imported from {shown}: mend or remove {failed} of its {count} entries:{bad}");
    }
    store.add_users(&new)?;
    super::say(format_args!("imported {count} accounts"))
}

/// The account, or why there can be none.
fn check(
    store: &Store,
    seen: &mut HashSet<String>,
    name: &str,
    hash: Value,
) -> anyhow::Result<Result<NewUser, String>> {
    if let Err(why) = check_new_name(name) {
        return Ok(Err(why.to_string()));
    }
    if !seen.insert(name_key(name)) {
        return Ok(Err("twice in this file, perhaps in another case".to_owned()));
    }
    if store.user(name)?.is_some() {
        return Ok(Err("the name is already taken".to_owned()));
    }
    let Value::String(hash) = hash else { return Ok(Err("the hash is not a string".to_owned())) };
    Ok(check_hash(&hash).map(|()| NewUser { name: name.to_owned(), password: PasswordHash(hash) }))
}
