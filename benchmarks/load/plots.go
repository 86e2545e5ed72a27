package load

import "fmt"

// Plots returns the plots of a report as SVG files, by name. They are the same each time.
func Plots(r *Report) (map[string][]byte, error) {
	plots := map[string][]byte{}
	gains, err := gainPlot(r.Gains)
	if err != nil {
		return nil, fmt.Errorf("load: the plot of gains: %w", err)
	}
	latency, err := latencyPlot(r.Results)
	if err != nil {
		return nil, fmt.Errorf("load: the plot of latencies: %w", err)
	}
	servers, err := serverPlot(r.Results)
	if err != nil {
		return nil, fmt.Errorf("load: the plot of servers: %w", err)
	}
	for name, text := range map[string]string{
		"gains.svg": string(gains), "latency.svg": string(latency), "servers.svg": string(servers),
	} {
		if text != "" {
			plots[name] = []byte(text + "\n")
		}
	}
	return plots, nil
}
