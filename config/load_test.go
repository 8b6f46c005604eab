package config

import (
	"testing"
)

var contractEnv = map[string]string{
	"AGENT_101": "agent-secret", "MANGO_PASSWORD": "mango-secret", "CRM_API": "api-secret", "HOOK_SECRET": "hook-secret", "CRM_TOKEN": "crm-secret",
}

func TestContractExampleLoads(t *testing.T) {
	c, err := Load("testdata/contract.yaml", Options{Env: contractEnv})
	if err != nil {
		for _, p := range ProblemsOf(err) {
			t.Logf("%s\n%s\n%s", p, p.Frame, p.Hint)
		}
		t.Fatal("failed")
	}
	for _, n := range c.Notices() {
		t.Log(n)
	}
	t.Logf("%+v", c)
}
