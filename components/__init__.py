"""The program's parts: settings, policy documents, providers, and the three component resources."""
