//! Roles and privileges as SQL text, as the catalog's files have them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_sql::{Grant, GrantRole, Grantee, Hidden, Statement};

use super::{Acl, Rights, Role, Target, Verifier};
use crate::{
    catalog::{Catalog, CatalogFiles, fold},
    error::{Error, Result, SqlState},
    root::storage_error,
};

const FOLDER: &str = "catalog/roles";
const HEADER: &str = "-- sluice ";

/// The first line of a role's file.
#[derive(Serialize, Deserialize)]
struct Header {
    oid: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

impl CatalogFiles {
    /// Reads every role's file.
    pub(crate) async fn load_roles(&self, catalog: &mut Catalog) -> Result<()> {
        for file in self.root().list(FOLDER).await.map_err(storage_error)? {
            let path = format!("{FOLDER}/{file}");
            let text = self.read(&path).await?;
            let role = parse(&text).ok_or_else(|| {
                Error::outside(
                    SqlState::DataException,
                    format!("catalog file {path} cannot be read: it holds no role"),
                )
                .with_hint("Restore the file from a backup of the root, or move it away to start without that role.")
            })?;
            catalog.roles_mut().put(role);
        }
        Ok(())
    }

    /// Writes a role's file.
    pub(crate) async fn put_role(&self, role: &Role) -> Result<()> {
        let path = format!("{FOLDER}/{}.sql", role.name);
        self.root()
            .put_private(&path, &text(role)?)
            .await
            .map_err(storage_error)
    }

    /// Deletes a role's file.
    pub(crate) async fn drop_role(&self, name: &str) -> Result<()> {
        self.root()
            .delete(&format!("{FOLDER}/{name}.sql"))
            .await
            .map_err(storage_error)
    }
}

fn text(role: &Role) -> Result<String> {
    let header = Header {
        oid: role.oid,
        comment: role.comment.clone(),
    };
    let header = serde_json::to_string(&header)
        .map_err(|error| Error::internal(format!("catalog header: {error}")))?;
    let flag = |on: bool, word: &str| format!(" {}{word}", if on { "" } else { "NO" });
    let name = quoted(&role.name);
    let mut text = format!("{HEADER}{header}\nCREATE ROLE {name}");
    text += &flag(role.superuser, "SUPERUSER");
    text += &flag(role.create_role, "CREATEROLE");
    text += &flag(role.inherit, "INHERIT");
    text += &flag(role.login, "LOGIN");
    if let Some(verifier) = &role.verifier {
        text += &format!(" PASSWORD '{}'", verifier.text());
    }
    if let Some((until, _)) = &role.valid_until {
        text += &format!(" VALID UNTIL '{}'", until.replace('\'', "''"));
    }
    if let Some(limit) = role.connection_limit {
        text += &format!(" CONNECTION LIMIT {limit}");
    }
    text += ";\n";
    for (of, admin) in &role.member_of {
        let admin = if *admin { " WITH ADMIN OPTION" } else { "" };
        text += &format!("GRANT {} TO {name}{admin};\n", quoted(of));
    }
    Ok(text)
}

fn parse(text: &str) -> Option<Role> {
    let header = text.lines().next()?.strip_prefix(HEADER)?;
    let header: Header = serde_json::from_str(header).ok()?;
    let mut statements = sluice_sql::parse(text).ok()?.into_iter();
    let Statement::CreateRole(create) = statements.next()?.statement else {
        return None;
    };
    let is = |flag: Option<bool>| flag == Some(true);
    let options = create.options;
    let mut role = Role {
        superuser: is(options.superuser),
        create_role: is(options.create_role),
        inherit: is(options.inherit),
        login: is(options.login),
        verifier: match options.password.flatten() {
            Some(Hidden(text)) => Some(Verifier::parse(&text)?),
            None => None,
        },
        valid_until: match options.valid_until {
            Some(text) => Some(roles_time(&text)?),
            None => None,
        },
        connection_limit: options
            .connection_limit
            .and_then(|limit| u32::try_from(limit).ok()),
        member_of: BTreeMap::new(),
        comment: header.comment,
        ..Role::new(&fold(&create.name), header.oid)
    };
    for parsed in statements {
        if let Statement::GrantRole(GrantRole { roles, admin, .. }) = parsed.statement {
            let given = roles.iter().map(|of| (fold(of), admin));
            role.member_of.extend(given);
        }
    }
    Some(role)
}

/// A time as VALID UNTIL has it; without a zone it is UTC, `infinity` is none.
pub(crate) fn roles_time(text: &str) -> Option<(String, i64)> {
    if text.eq_ignore_ascii_case("infinity") {
        return Some((text.to_owned(), i64::MAX));
    }
    let time = arrow::compute::kernels::cast_utils::string_to_datetime(&chrono::Utc, text).ok()?;
    Some((text.to_owned(), time.timestamp_micros()))
}

/// What was given on an object, as the statements below it in its file; `on` as GRANT has it: `TABLE "gold"."x"`.
pub(crate) fn grant_lines(acl: &Acl, on: &str) -> String {
    let mut text = String::new();
    for (grantee, given) in acl.iter() {
        let to = grantee.map_or_else(|| "PUBLIC".to_owned(), quoted);
        let kinds = [
            (given.rights.without(given.grantable), ""),
            (given.grantable, " WITH GRANT OPTION"),
        ];
        for (rights, option) in kinds {
            if !rights.is_none() {
                let words: Vec<&str> = rights.iter().map(|privilege| privilege.word()).collect();
                text += &format!("GRANT {} ON {on} TO {to}{option};\n", words.join(", "));
            }
        }
    }
    text
}

/// Reads what [`grant_lines`] wrote.
pub(crate) fn apply_grants<'a>(
    acl: &mut Acl,
    statements: impl Iterator<Item = &'a Statement>,
    all: Rights,
) {
    for statement in statements {
        if let Statement::Grant(grant) = statement {
            apply(acl, grant, all);
        }
    }
}

fn apply(acl: &mut Acl, grant: &Grant, all: Rights) {
    let rights = grant.privileges.as_deref().map_or(all, Rights::of);
    for grantee in &grant.grantees {
        let to = match grantee {
            Grantee::Role(name) => Some(fold(name)),
            Grantee::Public | Grantee::Current => None,
        };
        acl.give(to.as_deref(), rights, grant.option);
    }
}

/// A role's name becomes a file's.
pub(crate) fn role_name_usable(name: &str) -> Result<()> {
    if name.starts_with("pg_") {
        return Err(Error::user(
            SqlState::ReservedName,
            format!("role name \"{name}\" is reserved"),
        )
        .with_detail("Role names starting with \"pg_\" are reserved."));
    }
    if name == "public" || name == "none" {
        return Err(Error::user(
            SqlState::ReservedName,
            format!("role name \"{name}\" is reserved"),
        ));
    }
    let usable = !name.is_empty()
        && name.len() <= 63
        && !name.starts_with('.')
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "_- $@.".contains(c));
    if usable {
        return Ok(());
    }
    Err(Error::user(
        SqlState::InvalidName,
        format!("name \"{name}\" cannot be a role's"),
    )
    .with_hint("Use up to 63 letters, digits, spaces, _ - $ @ or points."))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Target<'_> {
    /// As GRANT names it, every name quoted.
    pub(crate) fn sql(self) -> String {
        match self {
            Self::Relation(object) => {
                let name = object.name();
                format!("TABLE {}.{}", quoted(&name.schema), quoted(&name.name))
            }
            Self::Schema(name) => format!("SCHEMA {}", quoted(name)),
            Self::Database => "DATABASE \"sluice\"".to_owned(),
            Self::Function(name) => format!("FUNCTION {}", quoted(name)),
        }
    }
}
