"""The things that flow: records between the stages, as frozen values.

Every type here has its Avro twin in ``schemas/``; the schema changes first. Times are integer
milliseconds since the epoch. Values of a key are JSON scalars and keep their type.
"""

from streams.model.alert import Alert, Disposition, Evidence, Resolution, Status, Suppression
from streams.model.command import Action, Command
from streams.model.dead import DeadLetter, DeadReason
from streams.model.delivery import Delivery, Outcome
from streams.model.finding import Finding, FindingKind
from streams.model.flow import Batch, Control, Original, Output, Record, Step
from streams.model.identity import alert_id, content_hash, file_position, position
from streams.model.notification import Group, Member, Notification, Reason
from streams.model.operation import Deed, Operation, OperationOutcome
from streams.model.severity import SEVERITIES, Severity, severity_rank
from streams.model.source import Source

__all__ = [
    "Suppression",
    "Member",
    "Group",
    "Disposition",
    "SEVERITIES",
    "Action",
    "Alert",
    "Batch",
    "Command",
    "Control",
    "DeadLetter",
    "DeadReason",
    "Deed",
    "Delivery",
    "Evidence",
    "Finding",
    "FindingKind",
    "Notification",
    "Operation",
    "OperationOutcome",
    "Original",
    "Outcome",
    "Output",
    "Reason",
    "Record",
    "Resolution",
    "Severity",
    "Source",
    "Status",
    "Step",
    "alert_id",
    "content_hash",
    "file_position",
    "position",
    "severity_rank",
]
