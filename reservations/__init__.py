"""When: reservations, leases, approval, the calendar, and the engine that keeps them true."""
