//! What a role may, from the catalog alone; and that a verifier is PostgreSQL's.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use sluice_sql::{Privilege, Statement};

use super::*;
use crate::catalog::{Catalog, Object, ObjectMeta, QualifiedName, SchemaAccess, ViewObject};

fn view(schema: &str, name: &str, owner: &str) -> Object {
    let parsed = sluice_sql::parse(&format!("CREATE VIEW {schema}.{name} AS SELECT 1 AS a"));
    let Statement::CreateView(statement) = parsed.unwrap().remove(0).statement else {
        unreachable!("it is a view")
    };
    Object::View(ViewObject {
        name: QualifiedName::new(schema, name),
        meta: ObjectMeta {
            id: format!("{schema}.{name}"),
            created_at: String::new(),
            paused: false,
            owner: owner.to_owned(),
            acl: Acl::default(),
            comment: None,
            column_comments: Default::default(),
            location: None,
            renames: 0,
        },
        statement,
    })
}

/// `ada` may log in, `readers` reads, `bob` is one of them, `carol` is one without inheriting, `root` may everything.
fn catalog() -> Catalog {
    let mut catalog = Catalog::new();
    for (oid, name) in (20_000..).zip(["ada", "readers", "bob", "carol", "root"]) {
        let mut role = Role::new(name, oid);
        role.superuser = name == "root";
        role.inherit = name != "carol";
        if name == "bob" || name == "carol" {
            role.member_of.insert("readers".to_owned(), false);
        }
        catalog.roles_mut().put(role);
    }
    let object = view("gold", "v", "ada");
    let mut meta = object.meta().clone();
    meta.acl
        .give(Some("readers"), Rights::of(&[Privilege::Select]), false);
    catalog.put(Arc::new(object.with_meta(meta)));
    catalog.put_schema("closed", SchemaAccess::made_by("ada"));
    catalog.put(Arc::new(view("closed", "w", "bob")));
    catalog
}

#[test]
fn privileges_come_by_ownership_membership_and_superusers() {
    let catalog = catalog();
    let name = QualifiedName::new("gold", "v");
    let on = Target::Relation(catalog.get(&name).unwrap());
    let may = |role, privilege| catalog.may(role, privilege, on);
    assert!(may("ada", Privilege::Delete));
    assert!(may("readers", Privilege::Select));
    assert!(may("bob", Privilege::Select));
    assert!(!may("bob", Privilege::Insert));
    assert!(!may("carol", Privilege::Select));
    assert!(catalog.roles().is_member("carol", "readers"));
    assert!(may("root", Privilege::Insert));
    assert!(!may("nobody", Privilege::Select));
    assert!(catalog.owns("ada", on) && !catalog.owns("bob", on));
}

#[test]
fn a_relation_in_a_closed_schema_is_not_for_its_owner_either() {
    let catalog = catalog();
    let name = QualifiedName::new("closed", "w");
    let on = Target::Relation(catalog.get(&name).unwrap());
    let error = catalog.check("bob", Privilege::Select, on).unwrap_err();
    assert_eq!(error.message, "permission denied for schema closed");
    assert_eq!(error.state.code(), "42501");
}

/// `listing` reads `gold.v`, which its owner may not read any more.
#[test]
fn a_view_whose_owner_lost_what_it_reads_is_not_listed() {
    let mut catalog = catalog();
    let parsed = sluice_sql::parse("CREATE VIEW gold.listing AS SELECT * FROM gold.v");
    let Statement::CreateView(statement) = parsed.unwrap().remove(0).statement else {
        unreachable!("it is a view")
    };
    let Object::View(plain) = view("gold", "listing", "bob") else {
        unreachable!("it is a view")
    };
    let object = Arc::new(Object::View(ViewObject { statement, ..plain }));
    catalog.put(Arc::clone(&object));
    assert!(catalog.lists("root", &object));
    let mut bob = Role::clone(catalog.roles().get("bob").unwrap());
    bob.member_of.clear();
    catalog.roles_mut().put(bob);
    assert!(!catalog.lists("root", &object));
}

#[test]
fn companions_and_earlier_versions_have_the_rights_of_what_they_are_of() {
    let catalog = catalog();
    for name in ["v", "v__late", "v__live", "v__files"] {
        let found = catalog.readable(&QualifiedName::new("gold", name));
        assert_eq!(found.unwrap().name().name, "v", "{name}");
    }
    assert!(catalog.readable(&QualifiedName::new("gold", "x")).is_none());
}

#[test]
fn an_access_list_prints_as_postgresql_prints_it() {
    let mut acl = Acl::default();
    acl.give(None, Rights::of(&[Privilege::Select]), false);
    acl.give(
        Some("ann b"),
        Rights::of(&[Privilege::Insert, Privilege::Select]),
        true,
    );
    acl.take(Some("ann b"), Rights::of(&[Privilege::Insert]), true);
    assert_eq!(
        acl.items("ada", Rights::of(&[Privilege::Insert, Privilege::Select])),
        ["ada=ar/ada", "=r/ada", "\"ann b\"=ar*/ada"]
    );
}

#[test]
fn what_was_given_comes_back_from_its_text() {
    let mut acl = Acl::default();
    let all = Rights::of(&[Privilege::Insert, Privilege::Select, Privilege::Delete]);
    acl.give(None, Rights::of(&[Privilege::Select]), false);
    acl.give(Some("a \"b\""), all, false);
    acl.give(Some("a \"b\""), Rights::of(&[Privilege::Delete]), true);
    let text = grant_lines(&acl, "TABLE \"gold\".\"v\"");
    let statements: Vec<Statement> = sluice_sql::parse(&text)
        .unwrap()
        .into_iter()
        .map(|parsed| parsed.statement)
        .collect();
    let mut again = Acl::default();
    apply_grants(&mut again, statements.iter(), all);
    assert_eq!(again, acl, "{text}");
}

#[test]
fn who_may_call_a_function_comes_back_from_its_text() {
    let execute = Rights::of(&[Privilege::Execute]);
    let mut functions = Functions::default();
    functions.put("now", functions.acl("now"));
    assert!(
        functions.is_empty(),
        "everybody may call what nothing was said of"
    );
    functions.put("repeat", Acl::default());
    let mut acl = functions.acl("extract");
    acl.give(Some("a \"b\""), execute, true);
    functions.put("extract", acl);
    let text = functions.text();
    let statements: Vec<Statement> = sluice_sql::parse(&text)
        .unwrap()
        .into_iter()
        .map(|parsed| parsed.statement)
        .collect();
    assert_eq!(Functions::of(&statements), functions, "{text}");
    let mut catalog = catalog();
    catalog.put_functions(functions);
    let may = |role, name| catalog.may(role, Privilege::Execute, Target::Function(name));
    assert!(!may("ada", "repeat") && may("root", "repeat"));
    assert!(may("ada", "extract") && may("ada", "now"));
}

#[test]
fn a_role_that_is_made_anew_is_not_the_one_that_was_dropped() {
    let mut catalog = catalog();
    let ada = Actor::new("ada", catalog.roles());
    let changed = Role {
        login: true,
        ..Role::clone(catalog.roles().get("ada").unwrap())
    };
    catalog.roles_mut().put(changed);
    ada.check_there(catalog.roles()).unwrap();
    catalog.roles_mut().remove("ada");
    let error = ada.check_there(catalog.roles()).unwrap_err();
    assert_eq!(error.message, "role \"ada\" was dropped");
    assert_eq!(error.state.code(), "28000");
    let anew = Role::new("ada", catalog.roles().next_oid());
    catalog.roles_mut().put(anew);
    ada.check_there(catalog.roles()).unwrap_err();
    Actor::new("ada", catalog.roles())
        .check_there(catalog.roles())
        .unwrap();
    // A role that somebody has become counts as long as he is it.
    let bob = Actor::new("bob", catalog.roles());
    bob.becomes("readers", catalog.roles());
    bob.set(("bob".to_owned(), "readers".to_owned()));
    bob.check_there(catalog.roles()).unwrap();
    catalog.roles_mut().remove("readers");
    bob.check_there(catalog.roles()).unwrap_err();
    bob.set(("bob".to_owned(), "bob".to_owned()));
    bob.check_there(catalog.roles()).unwrap();
}

#[test]
fn a_number_of_a_role_is_given_once() {
    let mut catalog = catalog();
    let last = catalog.roles().next_oid();
    catalog.roles_mut().put(Role::new("zoe", last));
    catalog.roles_mut().remove("zoe");
    assert_eq!(catalog.roles().next_oid(), last + 1);
}

/// RFC 7677's example: user `user`, password `pencil`.
#[test]
fn a_verifier_is_that_of_the_specification() {
    let text = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    let verifier = Verifier::parse(text).unwrap();
    assert_eq!(verifier.text(), text);
    assert!(verifier.accepts("pencil"));
    assert!(!verifier.accepts("pencils"));
    assert!(!format!("{verifier:?}").contains("WG5d"));
}

#[test]
fn a_made_verifier_takes_its_password_and_no_other() {
    let verifier = Verifier::make("geheim ä");
    let again = Verifier::parse(&verifier.text()).unwrap();
    assert_eq!(again, verifier);
    assert!(again.accepts("geheim ä") && !again.accepts("geheim"));
    assert_ne!(Verifier::make("geheim ä"), verifier);
}

#[test]
fn a_mock_is_the_same_each_time_and_takes_nothing() {
    let mock = Verifier::mock(b"secret", "nobody");
    assert_eq!(mock, Verifier::mock(b"secret", "nobody"));
    assert_ne!(mock, Verifier::mock(b"secret", "somebody"));
    assert!(!mock.accepts("") && !mock.accepts("nobody"));
    assert_eq!(mock.text().len(), Verifier::make("x").text().len());
}

#[test]
fn what_is_no_verifier_is_none() {
    for text in [
        "",
        "pencil",
        "SCRAM-SHA-256$",
        "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$a:b",
        "SCRAM-SHA-256$99999999:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    ] {
        assert_eq!(Verifier::parse(text), None, "{text}");
    }
}
