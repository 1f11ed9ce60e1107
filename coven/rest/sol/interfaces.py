"""The ETSI interfaces that the agent offers."""

from __future__ import annotations

from coven.agent.store import Row, missing
from coven.rest.routes import route
from coven.rest.sol.exchange import Interface, root
from coven.rest.sol.lcmcoord import LcmCoord
from coven.rest.sol.subscriptions import IndicatorSubscriptions
from coven.rest.sol.versions import SERVED, information
from coven.rest.sol.vnfconfig import VnfConfig
from coven.rest.sol.vnffm.alarms import VnfFaults
from coven.rest.sol.vnfind import VnfIndicators
from coven.rest.sol.vnflcm.instances import VnfInstances
from coven.rest.sol.vnflcm.occurrences import Occurrences
from coven.rest.sol.vnflcm.subscriptions import LifecycleSubscriptions
from coven.rest.sol.vnfpm.management import PerformanceManagement
from itf.mistakes import suggest


class Versions(Interface):
    """API version information, of each interface alike (SOL013 9.3)."""

    @route("GET", "/{interface}/api_versions", "The versions of an ETSI interface", reply="ApiVersionInformation")
    def read_versions(self, interface: str) -> Row:
        if interface not in SERVED:
            raise missing(f"interface {interface}", suggest(interface, SERVED))
        return information(interface, root())

    @route("GET", "/{interface}/{major}/api_versions", "The same, by major version", reply="ApiVersionInformation")
    def read_versions_of_major(self, interface: str, major: str) -> Row:
        if interface in SERVED and major != f"v{SERVED[interface].major}":
            raise missing(f"version {major} of {interface}")
        return self.read_versions(interface)


INTERFACES = (
    VnfConfig, VnfIndicators, IndicatorSubscriptions, LcmCoord, VnfInstances, Occurrences, LifecycleSubscriptions,
    VnfFaults, PerformanceManagement, Versions,
)  # fmt: skip
