{{/* Beginning of all names. */}}
{{- define "tenantry.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $made := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- default $made .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* What tells the pods of a component apart; of (list $ component). */}}
{{- define "tenantry.selectorLabels" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ default $.Chart.Name $.Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ $.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of every object; of (list $ component). */}}
{{- define "tenantry.labels" -}}
{{- $ := index . 0 -}}
{{ include "tenantry.selectorLabels" . }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tenantry
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Image of every container. */}}
{{- define "tenantry.image" -}}
{{- with .Values.image -}}
image: {{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
imagePullPolicy: {{ .pullPolicy }}
{{- end }}
{{- end }}

{{/* Security of every pod: what Pod Security `restricted` asks for. */}}
{{- define "tenantry.podSecurity" -}}
{{- $openshift := .Capabilities.APIVersions.Has "security.openshift.io/v1" }}
{{- $context := $openshift | ternary (omit .Values.podSecurityContext "fsGroup" "runAsUser") .Values.podSecurityContext }}
{{- $restricted := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") -}}
securityContext: {{- merge (dict) $restricted $context | toYaml | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Security of every container. */}}
{{- define "tenantry.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Where the pods of a component may run; of (list $ component). */}}
{{- define "tenantry.placement" -}}
{{- $values := get (index . 0).Values (index . 1) -}}
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels: {{- include "tenantry.selectorLabels" $ | nindent 8 }}
  {{- end }}
{{- with pick $values "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- range $key, $value := . }}
{{- with $value }}
{{ $key }}: {{- kindIs "string" . | ternary (printf " %q" .) (toYaml . | nindent 2) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The probes. What is waited for at the start, such as the database, is no reason to start again. */}}
{{- define "tenantry.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 2
  failureThreshold: 90
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{/* The variables by which the API and migrations find their database. */}}
{{- define "tenantry.databaseEnv" -}}
- name: TENANTRY_DATA_DIR
  value: /var/lib/tenantry
- name: TENANTRY_LOG_LEVEL
  value: {{ .Values.logLevel }}
{{- with .Values.database }}
{{- if .url }}
- name: TENANTRY_DATABASE_URL
  value: {{ .url | quote }}
- name: TENANTRY_DATABASE_PASSWORD_FILE
  value: /etc/tenantry/database/{{ .passwordKey }}
{{- else if .existingSecret }}
- name: TENANTRY_DATABASE_URL
  valueFrom:
    secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .urlKey | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* Where they have their files. */}}
{{- define "tenantry.databaseMounts" -}}
- {name: data, mountPath: /var/lib/tenantry}
- {name: tmp, mountPath: /tmp}
{{- if .Values.database.existingSecret }}
- {name: database, mountPath: /etc/tenantry/database, readOnly: true}
{{- end }}
{{- end }}

{{- define "tenantry.databaseVolumes" -}}
- name: data
  {{- if eq .Values.sqlite.storage "PersistentVolumeClaim" }}
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-data" (include "tenantry.fullname" .)) .Values.sqlite.existingClaim | quote }}
  {{- else }}
  emptyDir: {}
  {{- end }}
- name: tmp
  emptyDir: {}
{{- with .Values.database.existingSecret }}
- name: database
  secret: {secretName: {{ . | quote }}}
{{- end }}
{{- end }}

{{/* A container that brings the schema up to date. */}}
{{- define "tenantry.migrate" -}}
name: migrate
{{ include "tenantry.image" . }}
command: [tenantry, migrate, --wait, "120"]
env: {{- include "tenantry.databaseEnv" . | nindent 2 }}
volumeMounts: {{- include "tenantry.databaseMounts" . | nindent 2 }}
resources: {{- toYaml .Values.api.resources | nindent 2 }}
{{ include "tenantry.containerSecurity" . }}
{{- end }}

{{/* Where the API is in the cluster. */}}
{{- define "tenantry.apiUrl" -}}
{{- $host := printf "%s.%s.svc" (include "tenantry.fullname" .) .Release.Namespace }}
{{- if .Values.tls.existingSecret -}}
https://{{ $host }}{{ if ne (int .Values.service.tlsPort) 443 }}:{{ .Values.service.tlsPort }}{{ end }}
{{- else -}}
http://{{ $host }}{{ if ne (int .Values.service.port) 80 }}:{{ .Values.service.port }}{{ end }}
{{- end }}
{{- end }}

{{/* Where people reach it; without a way in that is a port-forward. */}}
{{- define "tenantry.externalUrl" -}}
{{- if .Values.externalUrl }}{{ .Values.externalUrl }}
{{- else if .Values.ingress.enabled }}https://{{ .Values.ingress.host }}
{{- else if .Values.tls.existingSecret }}{{ include "tenantry.apiUrl" . }}
{{- else }}http://localhost:8080
{{- end }}
{{- end }}
