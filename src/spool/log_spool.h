// The spool over any FileOps: what Spool::open() makes, and what tests make
// with files that fail.
#pragma once

#include "spool/committer.h"
#include "spool/file_ops.h"
#include "spool/spool.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace impulse::spool {

Result<std::unique_ptr<Spool>> begin_log_spool(std::shared_ptr<FileOps> ops, const Tuning& tuning,
                                               const Settings& settings, std::string node,
                                               std::function<void(std::string_view)> log);
Result<std::unique_ptr<Spool>> open_log_spool(std::shared_ptr<FileOps> ops, const Tuning& tuning,
                                              const Settings& settings, std::string node,
                                              const std::function<void(Summary)>& live,
                                              std::function<void(std::string_view)> log, RecoveryReport* report);

}  // namespace impulse::spool
