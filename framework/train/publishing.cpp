// Publishing by one rank, heard by all.
#include "train/publishing.hpp"

#include <filesystem>

#include "checkpoint/publish.hpp"
#include "train/share_failure.hpp"

namespace strata::train {

std::string publish_checkpoint(Session& session,
                               const std::string& out_dir,
                               const std::string& name,
                               const std::vector<std::string>& keys) {
  const std::filesystem::path folder =
      out_dir.empty() ? session.work_dir() : std::filesystem::path(out_dir);
  std::string file;
  on_rank_zero(session, [&] { file = checkpoint::publish(folder / name, keys).string(); });
  return session.world().broadcast_text(file);
}

}  // namespace strata::train
