"""The audit: 17 ways in which data, or results on them, can be worth nothing, looked for before anyone believes them.

report = audit("outputs/quick/data")      # or a folder of your own clips: see material.py for its files
print(report.table()); report.severe; report.save(folder)
print(admit(cfg, folder))                 # a run's own data; AuditError where a finding is severe
"""

from trajnb.audit.admission import admit
from trajnb.audit.examination import CHECKS, audit, examine
from trajnb.audit.findings import AuditError, Report

__all__ = ["CHECKS", "AuditError", "Report", "admit", "audit", "examine"]
