"""Helm, its own engine, for the tests.

render CHART VALUES VERSION       the objects of a chart, as Helm sends them to a cluster of a Kubernetes version
install CHART VALUES KUBECONFIG   for real; upgrade the same; uninstall KUBECONFIG

Helm renders only for a cluster, so that `render` gives it one: a server that knows kinds and keeps nothing. Values are a
JSON object. What is printed is JSON; an error goes to stderr and ends with 1.
"""

import asyncio
import json
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import helm_sdkpy

RELEASE, NAMESPACE = "podwright", "podwright-system"

# Group and version, and its kinds: a plural is the kind in small letters and an "s".
KINDS = {
    "v1": ["Namespace", "Secret", "ConfigMap", "Service", "ServiceAccount", "ResourceQuota", "Pod"],
    "apps/v1": ["Deployment"],
    "rbac.authorization.k8s.io/v1": ["Role", "RoleBinding", "*ClusterRole", "*ClusterRoleBinding"],
    "policy/v1": ["PodDisruptionBudget"],
    "policy/v1beta1": ["PodDisruptionBudget"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "admissionregistration.k8s.io/v1": ["*MutatingWebhookConfiguration", "*ValidatingWebhookConfiguration"],
    "apiextensions.k8s.io/v1": ["*CustomResourceDefinition"],
    "cert-manager.io/v1": ["Issuer", "Certificate"],
    "monitoring.coreos.com/v1": ["PodMonitor", "PrometheusRule"],
}


class Cluster(BaseHTTPRequestHandler):
    """Says which kinds there are, finds nothing, and takes everything."""

    version = "1.33.0"
    taken = []
    protocol_version = "HTTP/1.1"

    def answer(self, body, code=200, kind="application/json"):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0].strip("/")
        group_version = path.removeprefix("apis/").removeprefix("api/")
        if path == "version":
            major, minor, _ = self.version.split(".")
            self.answer({"major": major, "minor": minor, "gitVersion": f"v{self.version}"})
        elif path == "api":
            self.answer({"kind": "APIVersions", "versions": ["v1"]})
        elif path == "apis":
            self.answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups()})
        elif group_version in KINDS:
            resources = [resource(kind) for kind in KINDS[group_version]]
            self.answer({"kind": "APIResourceList", "groupVersion": group_version, "resources": resources})
        elif path.endswith("/secrets"):
            self.answer({"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": []})
        else:
            self.answer({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}, 404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.headers["Content-Type"]
        # Helm's own Secret comes in another encoding than what it makes of the chart.
        if kind == "application/json":
            self.taken.append(json.loads(body))
        self.answer(body, 201, kind)

    do_PUT = do_PATCH = do_POST

    def log_message(self, *_):
        pass


def groups():
    versions = {}
    for group_version in KINDS:
        group, _, version = group_version.rpartition("/")
        if group:
            versions.setdefault(group, []).append({"groupVersion": group_version, "version": version})
    return [{"name": group, "versions": all_, "preferredVersion": all_[0]} for group, all_ in versions.items()]


def resource(kind):
    name = kind.lstrip("*")
    plural = name.lower() + "s" if not name.endswith("y") else name.lower()[:-1] + "ies"
    verbs = ["get", "list", "create", "update", "patch", "delete"]
    return {"name": plural, "kind": name, "namespaced": not kind.startswith("*") and name != "Namespace", "verbs": verbs}


def render(chart, values, version):
    Cluster.version = version
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.NamedTemporaryFile("w", suffix=".kubeconfig") as kubeconfig:
        address = f"http://127.0.0.1:{server.server_port}"
        json.dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": address}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
        }, kubeconfig)
        kubeconfig.flush()
        apply(helm_sdkpy.Install, chart, values, kubeconfig.name)
    return Cluster.taken


def apply(action, chart, values, kubeconfig):
    config = helm_sdkpy.Configuration(namespace=NAMESPACE, kubeconfig=kubeconfig)
    # Nothing runs in these clusters that could become ready.
    run = action(config).run(RELEASE, chart, values=json.loads(values), wait=False)
    return asyncio.run(run)


def uninstall(kubeconfig):
    config = helm_sdkpy.Configuration(namespace=NAMESPACE, kubeconfig=kubeconfig)
    return asyncio.run(helm_sdkpy.Uninstall(config).run(RELEASE, wait=False))


ACTIONS = {
    "render": render,
    "install": lambda *args: apply(helm_sdkpy.Install, *args),
    "upgrade": lambda *args: apply(helm_sdkpy.Upgrade, *args),
    "uninstall": uninstall,
}

if __name__ == "__main__":
    try:
        print(json.dumps(ACTIONS[sys.argv[1]](*sys.argv[2:])))
    except helm_sdkpy.HelmError as error:
        sys.exit(f"{error}")
