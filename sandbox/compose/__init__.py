"""The services of docker-compose.yaml without containers: read, run here, stopped as Docker Compose would."""
