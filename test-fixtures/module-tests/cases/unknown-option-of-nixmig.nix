{ services.nixmig.enabled = true; }
