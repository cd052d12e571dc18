{{/* What every object carries. */}}
{{- define "execwarden.labels" -}}
{{ include "execwarden.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* What the agent's pods are known by. */}}
{{- define "execwarden.selector" -}}
app.kubernetes.io/name: execwarden
{{- end }}

{{/* The flag of the mode. */}}
{{- define "execwarden.mode" -}}
{{- if eq .Values.mode "enforce" -}}
--enforce
{{- else -}}
--{{ .Values.mode }}={{ .Values.window }}
{{- end -}}
{{- end }}

{{/* Address and port, an IPv6 address in brackets. */}}
{{- define "execwarden.metrics" -}}
{{- $address := .Values.metrics.address -}}
{{- if contains ":" $address -}}
{{- printf "[%s]:%d" $address (int .Values.metrics.port) -}}
{{- else -}}
{{- printf "%s:%d" $address (int .Values.metrics.port) -}}
{{- end -}}
{{- end }}
