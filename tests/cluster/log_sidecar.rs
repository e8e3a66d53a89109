//! What an application team sees that asks for its log files.

use serde_json::{Value, json};

use crate::pods::{self, PATHS, SIDECAR, items, named, sidecars};
use crate::world::{World, has_sidecar};

pub(crate) fn deployment(world: &World) {
    let namespace = world.served();
    let deployment = json!({
        "metadata": {"name": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "shop"}}, "template": pods::logging_template("Always")},
    });
    namespace.create("apps/v1", "deployments", &deployment).unwrap();
    let pod = namespace.wait_for("pods", "the Deployment's Pod", |pod| Some(pod.clone()));

    assert_eq!(sidecars(&pod).len(), 1, "{pod:#}");
    let mount = items(&named(&pod["spec"]["containers"], "app")["volumeMounts"])
        .iter()
        .find(|mount| mount["mountPath"] == "/app/logs")
        .unwrap_or_else(|| panic!("/app/logs is not mounted in {pod:#}"));
    let shared = named(&pod["spec"]["volumes"], mount["name"].as_str().unwrap());
    assert!(shared["emptyDir"].is_object(), "{shared:#}");
    assert!(mounts(sidecars(&pod)[0], &shared["name"]), "the sidecar does not see the logs: {pod:#}");
    let configuration =
        items(&pod["spec"]["volumes"]).iter().find(|volume| volume["downwardAPI"].is_object());
    let configuration = configuration.unwrap_or_else(|| panic!("no downwardAPI volume in {pod:#}"));
    assert!(
        mounts(sidecars(&pod)[0], &configuration["name"]),
        "the sidecar does not see its configuration: {pod:#}"
    );
    assert!(pod["metadata"]["annotations"]["podwright.dev/status"].is_string(), "{pod:#}");
}

pub(crate) fn job(world: &World) {
    let namespace = world.served();
    let job = json!({"metadata": {"name": "report"}, "spec": {"template": pods::logging_template("Never")}});
    namespace.create("batch/v1", "jobs", &job).unwrap();
    if world.control_plane().version() >= (1, 29) {
        let pod = namespace.wait_for("pods", "the Job's Pod", |pod| Some(pod.clone()));
        assert_eq!(named(&pod["spec"]["initContainers"], SIDECAR)["restartPolicy"], "Always");
        return;
    }
    let message = namespace.wait_for("events", "the Job's event about its Pod", |event| {
        let about_the_job = event["involvedObject"]["name"] == "report" && event["reason"] == "FailedCreate";
        about_the_job.then(|| event["message"].as_str().unwrap_or_default().to_owned())
    });
    assert!(message.contains("denied the request"), "{message}");
    assert!(
        message.contains("Job") && message.contains(PATHS),
        "it should say what is wrong and where: {message}"
    );
    assert!(namespace.list("pods").is_empty());
}

pub(crate) fn a_container_of_that_name(world: &World) {
    let mut pod = pods::logging();
    let theirs = json!({"name": SIDECAR, "image": "registry.example/not-ours:1"});
    pod["spec"]["containers"].as_array_mut().unwrap().push(theirs);
    let message = world.served().create_pod(&pod).unwrap_err();
    // By Podwright: the API server, too, would refuse two containers of one name.
    assert!(message.contains("denied the request") && message.contains(SIDECAR), "{message}");
}

pub(crate) fn dry_run(world: &World) {
    let namespace = world.served();
    let pod = namespace.dry_run_pod(&pods::logging()).unwrap();
    assert!(has_sidecar(&pod), "{pod:#}");
    assert!(namespace.list("pods").is_empty());
}

fn mounts(container: &Value, volume: &Value) -> bool {
    items(&container["volumeMounts"]).iter().any(|mount| &mount["name"] == volume)
}
