//! The report as JUnit XML, for CI: a suite for each team, a test for each finding and for each rule that is quiet.
//!
//! The shape is that of the schema which Windy Road has written down for Ant's `junitreport`, the strictest that is
//! about: what it takes, the others take.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::Report;
use super::report::{Finding, Rule, Team};
use crate::policy::Action;

/// Writes a report. Findings about which this action, or a stricter one, is taken are failures; the others are skipped.
///
/// # Errors
/// When it cannot be written.
pub fn write(report: &Report, fail_on: Option<Action>, out: &mut impl Write) -> io::Result<()> {
    let mut xml = Writer::new_with_indent(&mut *out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites").write_inner_content(|xml| {
        report
            .teams
            .iter()
            .enumerate()
            .try_for_each(|(id, team)| Suite { report, fail_on, team, id }.write(xml))
    })?;
    writeln!(out)
}

/// The tests of one team.
struct Suite<'a> {
    report: &'a Report,
    fail_on: Option<Action>,
    team: &'a Team,
    id: usize,
}

impl Suite<'_> {
    fn write(&self, xml: &mut Writer<impl Write>) -> io::Result<()> {
        let findings = self.report.findings_of(self.team);
        let quiet: Vec<_> = self.report.rules.iter().filter(|rule| !found_any(rule, findings)).collect();
        let failures = findings.iter().filter(|finding| self.fails(finding)).count();
        let name = if self.team.name.is_empty() { "(no team)" } else { &self.team.name };
        let (id, tests) = (self.id.to_string(), (findings.len() + quiet.len()).to_string());
        let (failed, skipped) = (failures.to_string(), (findings.len() - failures).to_string());
        let time = self.report.metadata.generated_at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let suite = xml.create_element("testsuite").with_attributes([
            ("name", name),
            ("package", "podwright"),
            ("id", &id),
            ("timestamp", &time),
            ("hostname", "localhost"),
            ("tests", &tests),
            ("failures", &failed),
            ("errors", "0"),
            ("skipped", &skipped),
            ("time", "0"),
        ]);
        suite.write_inner_content(|xml| {
            self.properties(xml)?;
            quiet.iter().try_for_each(|rule| passed(rule, self.team, xml))?;
            findings.iter().try_for_each(|finding| self.test(finding, xml))?;
            xml.create_element("system-out").write_empty()?;
            xml.create_element("system-err").write_empty()?;
            Ok(())
        })?;
        Ok(())
    }

    fn fails(&self, finding: &Finding) -> bool {
        self.fail_on.is_some_and(|action| finding.is_at_least(action))
    }

    fn properties(&self, xml: &mut Writer<impl Write>) -> io::Result<()> {
        let metadata = &self.report.metadata;
        xml.create_element("properties").write_inner_content(|xml| {
            for (name, value) in [("generation", &metadata.generation), ("podwright", &metadata.podwright)] {
                let property = xml.create_element("property");
                property.with_attributes([("name", name), ("value", value)]).write_empty()?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn test(&self, finding: &Finding, xml: &mut Writer<impl Write>) -> io::Result<()> {
        let (class, name) = (finding.at.path(), format!("{} {}", finding.rule.id(), finding.field));
        let test = xml.create_element("testcase").with_attributes([
            ("classname", class.as_str()),
            ("name", &name),
            ("time", "0"),
        ]);
        test.write_inner_content(|xml| {
            if self.fails(finding) {
                let failure = xml.create_element("failure");
                let kind = [("message", finding.message.as_str()), ("type", finding.outcome())];
                failure.with_attributes(kind).write_text_content(BytesText::new(&text(finding)))?;
            } else {
                let why = match &finding.exemption {
                    Some(exemption) => format!("exempt by {exemption}: {}", finding.message),
                    None => format!("{}: {}", finding.outcome(), finding.message),
                };
                let skipped = xml.create_element("skipped").with_attribute(("message", why.as_str()));
                skipped.write_text_content(BytesText::new(&text(finding)))?;
            }
            Ok(())
        })?;
        Ok(())
    }
}

fn found_any(rule: &Rule, findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.rule == rule.name)
}

fn passed(rule: &Rule, team: &Team, xml: &mut Writer<impl Write>) -> io::Result<()> {
    let name = format!("{}: nothing found", rule.name.id());
    let class = if team.name.is_empty() { "podwright" } else { &team.name };
    let test = xml.create_element("testcase");
    test.with_attributes([("classname", class), ("name", &name), ("time", "0")]).write_empty()?;
    Ok(())
}

/// The whole of it, for those who open the test.
fn text(finding: &Finding) -> String {
    let mut lines = vec![format!("{}: {}", finding.field, finding.message)];
    lines.extend(finding.expired.iter().cloned());
    lines.push(format!("severity: {}", finding.severity.as_str()));
    lines.extend(finding.at.source.iter().map(|place| format!("{}:{}", place.file, place.line)));
    lines.push(format!("id: {}", finding.id));
    lines.join("\n")
}
