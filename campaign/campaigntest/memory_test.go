package campaigntest

import (
	"testing"

	"github.com/loopstart/loopstart/campaign"
)

func TestMemory(t *testing.T) {
	RunRepo(t, func(*testing.T) campaign.Repo { return NewMemory() })
}
