// Counts packets and bytes of every IPv4 sender and lets all pass: C++17 with the same SDK as C.
#include <coven/vnfc.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

VNFC_GAUGE(senders, "IPv4 addresses that sent something", "addresses");
VNFC_COUNTER(untold, "packets of senders beyond the limit", "packets");

namespace
{
struct Sent {
	uint64_t packets = 0, bytes = 0;
};

std::unordered_map<uint32_t, Sent> sent; // by address, in network order
size_t limit = 65536;

std::string text(uint32_t address)
{
	const auto *byte = reinterpret_cast<const uint8_t *>(&address);
	return std::to_string(byte[0]) + "." + std::to_string(byte[1]) + "." + std::to_string(byte[2]) + "." +
	       std::to_string(byte[3]);
}
} // namespace

VNFC_CONFIGURE
{
	int64_t wanted = vnfc_config_int("limit", 65536);
	if (wanted < 1)
		return vnfc_refuse("limit", "a number of addresses, at least 1");
	limit = static_cast<size_t>(wanted);
	return VNFC_OK;
}

VNFC_HANDLE
{
	const struct ip4_header *ip = vnfc_ip4(p);
	if (!ip)
		return VNFC_FORWARD;
	auto found = sent.find(ip->src);
	if (found == sent.end()) {
		if (sent.size() >= limit) {
			vnfc_count(untold);
			return VNFC_FORWARD;
		}
		found = sent.emplace(ip->src, Sent{}).first;
		vnfc_set(senders, static_cast<double>(sent.size()));
	}
	found->second.packets++;
	found->second.bytes += p->len;
	return VNFC_FORWARD;
}

VNFC_REQUEST(top, "who sent most bytes, first first", "bytes", VNFC_ARGUMENT(count, "int", "5"))
{
	std::vector<std::pair<uint32_t, Sent>> all(sent.begin(), sent.end());
	auto count = std::min<size_t>(
		all.size(), static_cast<size_t>(std::max<int64_t>(0, vnfc_argument_int(request, "count"))));
	std::partial_sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(count), all.end(),
			  [](const auto &a, const auto &b) {
				  return a.second.bytes != b.second.bytes ? a.second.bytes > b.second.bytes
									  : a.first < b.first;
			  });
	std::string json = "[";
	for (size_t i = 0; i < count; i++)
		json += (i ? ", " : "") + std::string("{\"address\": \"") + text(all[i].first) +
			"\", \"packets\": " + std::to_string(all[i].second.packets) +
			", \"bytes\": " + std::to_string(all[i].second.bytes) + "}";
	vnfc_answer_json(request, (json + "]").c_str());
}
