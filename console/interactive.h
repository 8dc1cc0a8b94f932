// Interactive mode: a prompt, history, completion by the daemon. Ctrl-C gives
// up the request, not the session; Ctrl-D quits.
#pragma once

#include "console/address.h"
#include "console/ectl_client.h"
#include "console/interrupt.h"

namespace impulse::console {

// Returns the exit status.
int run_interactive(const Address& address, Client client, const Client::Settings& settings, Interrupt& interrupt);

}  // namespace impulse::console
