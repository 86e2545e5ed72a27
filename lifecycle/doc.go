// Package lifecycle takes a server from its start to its end without a failed request.
//
//	state     /startupz  /readyz  work       what happens
//	starting  503        503      shed       Component.Start, in the order of Add
//	warming   503        503      shed       Component.Warm, in the same order
//	ready     200        200      admitted
//	draining  200        503      admitted   Component.Drain, the last first; then the rest of DrainDelay
//	draining  200        503      shed       what runs ends, streams are told to end, listeners are closed
//	closed    503        503      shed       Component.Close has run, the last first
//
// A balancer learns that an instance leaves from its readiness probe, and goes on sending
// requests until then. So a draining instance serves for DrainDelay as before, and asks
// its clients to close their connections. Only then does it shed: 503 with Retry-After and
// "Connection: close".
//
// # Streams
//
// Work that has an end is waited for, also a response that is delivered in parts (@defer
// and @stream). A subscription has none. A request that prefers an event stream to JSON, or asks for
// a WebSocket, is a stream, see Options.IsStream: after StreamGrace its context ends, with
// [ErrDraining] as the cause, and its handler sends what ends the stream: the complete event, the
// close frame. After DrainTimeout the context of everything that still runs ends in the same way,
// and CutGrace later the servers that Serve serves are closed under it, with the connections of WebSockets,
// which [http.Server.Close] alone leaves open. A hijacked connection whose handler has returned is not
// waited for, and stays open. [http.Server.Shutdown] alone would wait for a subscription until its own
// context ends and then leave it to be cut off.
//
// # Kubernetes
//
// terminationGracePeriodSeconds must be more than DrainDelay, DrainTimeout, CutGrace and the
// time of Drain and Close together: 30 s are enough for the defaults. DrainDelay must be more than
// periodSeconds times failureThreshold of the readiness probe where the balancer relies on it
// alone; Kubernetes's own endpoints need a second or two. No preStop hook is needed.
//
// # When not to use it
//
// A command or a worker without clients needs a context and a defer.
package lifecycle
