package config

// Notice is something `check` tells that is no error.
type Notice struct {
	Place   string // loopstart.yaml:LINE:COL; may be empty
	Message string
}

func (n Notice) String() string {
	if n.Place == "" {
		return n.Message
	}
	return n.Place + ": " + n.Message
}

// Notices lists the keys that are set but whose part is not in this version,
// and variables that `dev` did without.
func (c *Config) Notices() []Notice { return c.notices }

// Options says where the values of Load come from.
type Options struct {
	Env       map[string]string // nil: the environment of the process
	Overrides map[string]string // "http.listen": "127.0.0.1:0"; wins over everything
	Dir       string            // project folder; "": the folder of the file
	Dev       bool              // trunks and webhooks may lack their ${VARIABLES}
	Live      []string          // trunks that dev uses all the same; "*": all
}

type place struct{ line, column int }
