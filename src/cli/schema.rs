//! `podwright schema`: the JSON Schema of the policies and of reports, for editors and CI, and the policies' definitions
//! for clusters.

mod crd;
mod structural;

use std::io::Write;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema as _, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::exit::{BadInput, Exit};
use crate::audit::report::{self, Report};
use crate::mutators::MUTATORS;
use crate::policy::{API_VERSION, nearest};
use crate::validators::VALIDATORS;
use crate::yaml;

/// Where the schemas are said to live. A name, not necessarily a page.
const ID_BASE: &str = "https://podwright.dev/schemas/v1alpha1";

/// The flags of `schema`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Print the JSON Schema of the policies, or of a report, or the policies' definitions for a cluster",
    after_long_help = "\
Examples:
  podwright schema HostPath                     the schema of one kind
  podwright schema > podwright.schema.json      one schema for all kinds of policies
  podwright schema Report                       what podwright scan --format json writes
  podwright schema --crd | kubectl apply -f -   policies as custom resources of a cluster

An editor with yaml-language-server completes and checks a policy that begins with the line
  # yaml-language-server: $schema=podwright.schema.json

A schema knows less than `podwright check`: addresses, dates and names given twice are checked only there."
)]
pub(super) struct Args {
    /// The kind of policy, such as HostPath, or Report; all kinds of policies where it is left out
    kind: Option<String>,

    /// Print Kubernetes CustomResourceDefinitions, as YAML
    #[arg(long)]
    crd: bool,
}

impl Args {
    pub(super) fn run(&self, out: &mut impl Write) -> anyhow::Result<Exit> {
        if self.crd {
            return self.definitions(out);
        }
        let schema = match &self.kind {
            Some(asked) if asked.eq_ignore_ascii_case(report::KIND) => of_report(),
            Some(asked) => of_kind(find(asked)?),
            None => of_all(),
        };
        writeln!(out, "{}", serde_json::to_string_pretty(&schema)?)?;
        Ok(Exit::Fine)
    }

    fn definitions(&self, out: &mut impl Write) -> anyhow::Result<Exit> {
        let asked = self.kind.as_deref().map(find_policy).transpose()?;
        for kind in kinds().filter(|(name, _)| asked.is_none_or(|(asked, _)| asked == *name)) {
            write!(out, "---\n{}", yaml::write(&crd::definition(kind))?)?;
        }
        Ok(Exit::Fine)
    }
}

type Kind = (&'static str, fn(&mut SchemaGenerator) -> Schema);

fn kinds() -> impl Iterator<Item = Kind> {
    let mutators = MUTATORS.iter().map(|kind| (kind.name, kind.schema));
    mutators.chain(VALIDATORS.iter().map(|kind| (kind.name, kind.schema)))
}

fn find(asked: &str) -> Result<Kind, BadInput> {
    find_among(asked, &[report::KIND])
}

fn find_policy(asked: &str) -> Result<Kind, BadInput> {
    find_among(asked, &[])
}

/// The kind of policy that is asked for. The others may be asked for as well.
fn find_among(asked: &str, others: &[&'static str]) -> Result<Kind, BadInput> {
    if let Some(kind) = kinds().find(|(name, _)| name.eq_ignore_ascii_case(asked)) {
        return Ok(kind);
    }
    let names = || kinds().map(|(name, _)| name).chain(others.iter().copied());
    let hint = match nearest(asked, names()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("expected one of {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(format!("kind {asked:?} is not known; {hint}").into())
}

fn of_kind((name, schema): Kind) -> Value {
    let mut generator = generator();
    let mut root = frame(name, &format!("A policy of kind {name}."));
    root.extend(envelope(name, schema, &mut generator));
    root.insert("$defs".to_owned(), Value::Object(generator.take_definitions(true)));
    Value::Object(root)
}

/// The schema of what `podwright scan --format json` writes.
fn of_report() -> Value {
    let mut generator = generator();
    let Value::Object(shape) = Report::json_schema(&mut generator).to_value() else {
        return Value::Null;
    };
    let mut root = frame(report::KIND, "What `podwright scan --format json` writes.");
    root.extend(
        shape.into_iter().filter(|(key, _)| !matches!(key.as_str(), "$schema" | "title" | "description")),
    );
    for (field, value) in [("apiVersion", API_VERSION), ("kind", report::KIND)] {
        if let Some(property) = root.get_mut("properties").and_then(|properties| properties.get_mut(field)) {
            property["const"] = json!(value);
        }
    }
    root.insert("$defs".to_owned(), Value::Object(generator.take_definitions(true)));
    Value::Object(root)
}

/// One schema for a file of policies of any kind: the kind decides what the rest must be.
fn of_all() -> Value {
    let mut generator = generator();
    let mut definitions = Map::new();
    let mut choices = Vec::new();
    for (name, schema) in kinds() {
        // No type of ours has a dot in its name.
        let definition = format!("policy.{name}");
        choices.push(json!({
            "if": { "properties": { "kind": { "const": name } }, "required": ["kind"] },
            "then": { "$ref": format!("#/$defs/{definition}") },
        }));
        definitions.insert(definition, Value::Object(envelope(name, schema, &mut generator)));
    }
    definitions.extend(generator.take_definitions(true));
    let mut root = frame("policy", "A policy of any kind.");
    root.extend([
        ("type".to_owned(), json!("object")),
        ("required".to_owned(), json!(["apiVersion", "kind"])),
        (
            "properties".to_owned(),
            json!({
                "apiVersion": { "const": API_VERSION },
                "kind": { "enum": kinds().map(|(name, _)| name).collect::<Vec<_>>() },
            }),
        ),
        ("allOf".to_owned(), Value::Array(choices)),
        ("$defs".to_owned(), Value::Object(definitions)),
    ]);
    Value::Object(root)
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

fn frame(name: &str, description: &str) -> Map<String, Value> {
    Map::from_iter([
        ("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema")),
        ("$id".to_owned(), json!(format!("{ID_BASE}/{}.json", name.to_lowercase()))),
        ("title".to_owned(), json!(format!("Podwright {name}"))),
        ("description".to_owned(), json!(description)),
    ])
}

/// The schema of one kind's policies, which says the kind.
fn envelope(
    name: &str,
    schema: fn(&mut SchemaGenerator) -> Schema,
    generator: &mut SchemaGenerator,
) -> Map<String, Value> {
    let Value::Object(mut envelope) = schema(generator).to_value() else {
        return Map::new();
    };
    // The envelope is the same for every kind; the frame says what this one is.
    envelope.retain(|key, _| !matches!(key.as_str(), "$schema" | "title" | "description"));
    if let Some(properties) = envelope.get_mut("properties").and_then(Value::as_object_mut) {
        for (field, value) in [("apiVersion", API_VERSION), ("kind", name)] {
            if let Some(property) = properties.get_mut(field).and_then(Value::as_object_mut) {
                property.insert("const".to_owned(), json!(value));
            }
        }
    }
    envelope
}
