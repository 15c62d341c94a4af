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
    let taken: HashSet<String> = store.users()?.iter().map(|user| name_key(&user.name)).collect();
    let mut in_file = HashSet::new();
    let (count, mut new, mut bad) = (entries.len(), Vec::new(), String::new());
    for (name, hash) in entries {
        match check(&taken, &mut in_file, &name, hash) {
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

/// The account.
///
/// # Errors
/// Why there can be none.
fn check(
    taken: &HashSet<String>,
    in_file: &mut HashSet<String>,
    name: &str,
    hash: Value,
) -> Result<NewUser, String> {
    check_new_name(name).map_err(|why| why.to_string())?;
    if !in_file.insert(name_key(name)) {
        return Err("twice in this file, perhaps in another case".to_owned());
    }
    if taken.contains(&name_key(name)) {
        return Err("the name is already taken".to_owned());
    }
    let Value::String(hash) = hash else { return Err("the hash is not a string".to_owned()) };
    check_hash(&hash)?;
    Ok(NewUser { name: name.to_owned(), password: PasswordHash(hash) })
}
