"""Watches over the logins of accounts: renews and checks them in time, and warns who must act."""
