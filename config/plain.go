package config

// Plain is the effective config as maps, lists and values, for JSON: what
// [Config.Show] writes, with durations and sizes as texts and secrets as ***.
func (c *Config) Plain() any {
	r := &report{file: c.file()}
	root := parseYAML([]byte(c.Show()), "", r.add)
	if root == nil {
		return map[string]any{}
	}
	clearPlaces(root) // the values are final: a ${ in them is no variable
	return (&decoder{report: r}).anything("", root)
}
