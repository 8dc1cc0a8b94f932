// The messages of a spool: the list, and one of them.
#pragma once

#include "console/show/options.h"
#include "spool/view.h"

namespace impulse::ecshow {

// Exit statuses. What cannot be read is said on standard error, and the others shown.
int list_messages(const spool::View& view, const Options& options);
int show_message(const Options& options);  // opens the spool itself, again if need be
int show_summary(const spool::View& view, const Options& options);

// Whether it is one that the filter is about: waiting, and all of it fits. Messages are read when it has headers; a
// failure is that of reading.
Result<bool> fits(const spool::View& view, const Filter& filter, const spool::Summary& summary);

// What there is to say about the spool, on standard error; status_damaged when something is damaged.
int say_notes(const spool::View& view);
// status_spool, or status_damaged, and why on standard error.
int say_error(const Error& why);

}  // namespace impulse::ecshow
