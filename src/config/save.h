// Saving: the steps of `config writeback` around the texts, which writeback.h makes.
#pragma once

#include "config/engine.h"
#include "config/writeback.h"

#include <memory>
#include <string>
#include <vector>

namespace impulse::config {

// The texts a configuration was read from, in order; as often as they counted.
using Sources = std::vector<std::shared_ptr<const Source>>;
Sources sources_of(const Loaded& loaded);

struct SaveRequest {
  std::string file;  // the main one
  LoadOptions load;
  Sources read;  // what `running` was read from, but for its edits
  ScopePtr running;
  WritebackRules rules;
};

// In place. conflict: a file does not say any more what was read.
WritebackReport save(const SaveRequest& request);
// All of it into one file; relative to the main file's folder. exists: it holds
// something that is no configuration. conflict: it is one that was read, and
// says something else by now.
WritebackReport save_as(const SaveRequest& request, const std::string& path);

// The path as it counts: relative to the main file's folder.
std::string beside(const std::string& file, const std::string& path);

}  // namespace impulse::config
