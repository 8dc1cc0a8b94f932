// Options into TLS settings of a listener's sessions, and how the files behind
// them are told to have changed.
#pragma once

#include "config/snapshot.h"
#include "net/tls.h"

#include <memory>
#include <string>

namespace impulse::server {

// Of a Listen, or of the Peers of a client. Made once for `options`, and kept
// with them. Any thread.
std::shared_ptr<const net::TlsSettings> tls_settings(const config::Snapshot& snapshot, const config::Options& options);

// Whether sessions can be secured by them: there is a certificate, or there
// are pre-shared keys.
bool offers_tls(const net::TlsSettings& settings);

// Device, inode, size and time of change of every file that `settings` name.
// What stands in the settings themselves, or cannot be seen, counts as nothing.
std::string files_of(const net::TlsSettings& settings);

// For people: the Certificate scope of `options`, or the path; "(inline)";
// "(pre-shared keys)" without a certificate.
std::string certificate_name(const config::Options& options);

}  // namespace impulse::server
