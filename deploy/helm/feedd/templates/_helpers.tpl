{{- define "feedd.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "feedd.selector" -}}
app.kubernetes.io/name: feedd
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "feedd.labels" -}}
{{ include "feedd.selector" . }}
app.kubernetes.io/part-of: feedd
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
{{- end -}}

{{- /* The password is read from its file by feedd, so that it stands in no manifest and no variable. */ -}}
{{- define "feedd.natsURL" -}}
{{- $user := .Values.nats.user -}}
{{- $urls := list -}}
{{- range .Values.nats.servers -}}
{{- $urls = append $urls (printf "nats://%s:${file:/run/secrets/nats/password}@%s" $user .) -}}
{{- end -}}
{{- join "," $urls -}}
{{- end -}}
