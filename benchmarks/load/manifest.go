package load

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// WriteManifest writes the queries of a mix, in so many texts each, in the form of
// plancache.Manifest: an object of JSON in each line, with how often it comes.
func (m Mix) WriteManifest(w io.Writer, variants int) error {
	out := json.NewEncoder(w)
	for _, o := range m {
		if o.Weight == 0 {
			continue
		}
		for variant := range uint64(max(variants, 1)) {
			line := struct {
				Query  string  `json:"query"`
				Weight float64 `json:"weight"`
			}{o.text(variant), float64(o.Weight) / math.Pow(float64(1+variant), zipfExponent)}
			if err := out.Encode(line); err != nil {
				return fmt.Errorf("load: manifest: %w", err)
			}
		}
	}
	return nil
}
