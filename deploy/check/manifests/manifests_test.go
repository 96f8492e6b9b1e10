package manifests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/feedd/feedd/internal/config"
)

const deploy = "../.."

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(deploy, path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// only returns the one object of a type.
func only[T runtime.Object](t *testing.T, objects []runtime.Object) (found T) {
	t.Helper()
	n := 0
	for _, o := range objects {
		if it, ok := o.(T); ok {
			found, n = it, n+1
		}
	}
	if n != 1 {
		t.Fatalf("%d of %T", n, found)
	}
	return found
}

func TestBaseIsWhole(t *testing.T) {
	objects, err := Decode(read(t, "kustomize/base/feedd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, o := range objects {
		kinds[o.GetObjectKind().GroupVersionKind().Kind]++
	}
	for kind, want := range map[string]int{
		"Deployment": 1, "Service": 2, "ConfigMap": 1, "PodDisruptionBudget": 1, "HorizontalPodAutoscaler": 1, "NetworkPolicy": 1,
	} {
		if kinds[kind] != want {
			t.Errorf("%d of kind %s, want %d", kinds[kind], kind, want)
		}
	}
	pod := only[*appsv1.Deployment](t, objects).Spec.Template.Spec
	c := pod.Containers[0]
	limit := c.Resources.Limits.Memory().Value()
	if got, want := environment(c, "GOMEMLIMIT"), fmt.Sprintf("%dMiB", int64(0.85*float64(limit))>>20); got != want {
		t.Errorf("GOMEMLIMIT is %q, want %q of a limit of %d", got, want, limit)
	}
	if c.Resources.Requests.Memory().Value() != limit || !c.Resources.Limits.Cpu().IsZero() {
		t.Errorf("resources %+v: want all memory requested, and no limit on the processor", c.Resources)
	}
	if c.LivenessProbe == nil || c.ReadinessProbe == nil || c.StartupProbe == nil || c.LivenessProbe.HTTPGet.Path != "/livez" || c.ReadinessProbe.HTTPGet.Path != "/readyz" {
		t.Error("probes are missing")
	}
	s := c.SecurityContext
	if !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || len(s.Capabilities.Drop) != 1 || !*pod.SecurityContext.RunAsNonRoot || *pod.AutomountServiceAccountToken {
		t.Errorf("the container may too much: %+v, %+v", s, pod.SecurityContext)
	}
	// The end has time for all of its parts.
	notice := c.Lifecycle.PreStop.Sleep.Seconds
	settings := settingsOf(t, only[*corev1.ConfigMap](t, objects).Data["feedd.yaml"])
	if within := int64(settings.Drain.Within.Seconds()); *pod.TerminationGracePeriodSeconds < notice+within+15 || within < 30 {
		t.Errorf("%d s for a notice of %d s and a drain of %d s", *pod.TerminationGracePeriodSeconds, notice, within)
	}
	if len(pod.TopologySpreadConstraints) != 2 {
		t.Error("pods are not spread")
	}
}

func environment(c corev1.Container, name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// settingsOf reads a configuration as feedd does, with a password where it will be.
func settingsOf(t *testing.T, text string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{"/run/secrets/nats/password", "/run/credentials/feedd.service/nats"} {
		text = strings.ReplaceAll(text, where, password)
	}
	path := filepath.Join(dir, "feedd.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.New()
	if err := c.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSettingsAreGood(t *testing.T) {
	if c := settingsOf(t, string(read(t, "systemd/feedd.yaml"))); c.Admission.Rate == 0 || !strings.Contains(c.NATS.URL, "secret") {
		t.Errorf("systemd: %+v", c)
	}
	objects, err := Decode(read(t, "kustomize/overlays/production/settings.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	settingsOf(t, only[*corev1.ConfigMap](t, objects).Data["feedd.yaml"])
}

// What a person mistypes is found.
func TestMistakesAreFound(t *testing.T) {
	good := string(read(t, "kustomize/base/feedd.yaml"))
	for from, to := range map[string]string{
		"maxUnavailable: 1": "maxUnavailble: 1", "preStop:": "prestop:", "kind: Service\n": "kind: Servce\n", "containerPort: 8080": "containerPort: eight",
		"readOnlyRootFilesystem: true": "readOnlyRootFilesystem: true\n            readOnlyRootFilesystem: true",
	} {
		bad := strings.Replace(good, from, to, 1)
		if bad == good {
			t.Errorf("%q is not there", from)
			continue
		}
		if _, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%q is taken", to)
		}
	}
}
