{{/* Names are fixed: the webhooks are the cluster's, so that there is one installation. */}}
{{- define "podwright.labels" -}}
app.kubernetes.io/name: podwright
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Never more than this: it cannot change in a Deployment. */}}
{{- define "podwright.selector" -}}
app.kubernetes.io/name: podwright
{{- end }}

{{- define "podwright.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end }}

{{- define "podwright.policies" -}}
{{ .Values.policies.existingConfigMap | default "podwright-policies" }}
{{- end }}

{{/* Annotations of both webhook configurations. */}}
{{- define "podwright.webhookAnnotations" -}}
{{- if eq .Values.certificates.mode "certManager" }}
annotations:
  cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/podwright-tls
{{- end }}
{{- end }}

{{/* Where a webhook is called: (list . "/mutate"). */}}
{{- define "podwright.client" -}}
{{- $ := index . 0 -}}
{{- with $.Values.certificates }}
{{- if eq .mode "files" }}
caBundle: {{ required "certificates.caBundle: the authority of the certificate is needed with mode files" .caBundle | b64enc }}
{{- end }}
{{- end }}
service:
  name: podwright
  namespace: {{ $.Release.Namespace }}
  path: {{ index . 1 }}
  port: 443
{{- end }}

{{/* The namespaces that no webhook sees, by a label that each has since Kubernetes 1.21 and nobody can change. */}}
{{- define "podwright.namespaceSelector" -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values:
      {{- range concat (list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace) .Values.webhooks.excludedNamespaces | uniq }}
      - {{ . }}
      {{- end }}
{{- end }}

{{/* What every webhook has. A refused Pod leaves an event, which a dry run does not. */}}
{{- define "podwright.webhook" -}}
matchPolicy: Equivalent
sideEffects: NoneOnDryRun
admissionReviewVersions: [v1]
{{- end }}

{{/* "yes" where the API server is asked to look at annotations. */}}
{{- define "podwright.matchConditions" -}}
{{- $known := semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version -}}
{{- if or (eq .Values.webhooks.matchConditions "always") (and $known (eq .Values.webhooks.matchConditions "auto")) }}yes{{ end -}}
{{- end }}

{{/* A Pod that asks for something, in CEL. */}}
{{- define "podwright.asks" -}}
(has(object.metadata.annotations)
&& object.metadata.annotations.exists(key, key.contains('podwright.dev/')))
|| (has(object.metadata.labels)
&& object.metadata.labels.exists(key, key == 'podwright.dev/required' && object.metadata.labels[key] == 'true'))
{{- end }}
