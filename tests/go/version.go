package main

import "runtime/debug"

// pgxVersion is that of the driver linked in.
func pgxVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/jackc/pgx/v5" {
			return module.Version
		}
	}
	return "?"
}
