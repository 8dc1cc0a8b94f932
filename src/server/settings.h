// What the configuration says to parts that take plain settings.
#pragma once

#include "config/snapshot.h"
#include "spool/spool.h"
#include "telemetry/log.h"

#include <string>

namespace impulse::server {

spool::Settings spool_settings(const config::Options& global);

// Nodename, or the short host name; made fit to stand in a message id.
std::string node_name(const config::Options& global);

// Debug_Flags: the level of each area, Momentum's form.
void set_log_levels(const config::Options& debug_flags, telemetry::Log& log);

// Server_Max_File_Descriptors, else as many as the hard limit allows.
Result<> raise_descriptor_limit(const config::Options& global);

}  // namespace impulse::server
