// Interactive mode: a prompt, history, completion by the daemon, and the
// console's own commands, which begin with a backslash. Ctrl-C gives up the
// request, not the session; Ctrl-D quits.
#pragma once

#include "console/connector.h"
#include "console/interrupt.h"

namespace impulse::console {

// Returns the exit status.
int run_interactive(Connector connector, Client client, Interrupt& interrupt);

}  // namespace impulse::console
