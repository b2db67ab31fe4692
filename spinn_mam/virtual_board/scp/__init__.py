"""The board's SC&MP: SCP and SDP over UDP, booting, IP tags, mailboxes of the cores."""
