package media

import "flag"

// update rewrites the expected half of the transcripts in testdata.
var update = flag.Bool("update", false, "rewrite testdata")
