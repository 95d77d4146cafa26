import java.io.FileInputStream;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** Verifies certificates, and connects to servers, as programs in Java do. The arguments are those of go/main.go. */
public class Foreign {
    static X509Certificate read(String file) throws Exception {
        try (var stream = new FileInputStream(file)) {
            return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(stream);
        }
    }

    static String verify(String[] columns) throws Exception {
        var chain = new ArrayList<X509Certificate>(List.of(read(columns[1])));
        // PKIX takes one path: the CA's certificate that the root has signed.
        var root = read(columns[3]);
        if (!columns[2].equals("-"))
            for (var file : columns[2].split(",")) {
                var ca = read(file);
                if (ca.getIssuerX500Principal().equals(root.getSubjectX500Principal())) chain.add(ca);
            }
        var parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
        parameters.setRevocationEnabled(false);
        var path = CertificateFactory.getInstance("X.509").generateCertPath(chain);
        if (chain.get(0).equals(root)) root.verify(root.getPublicKey());
        else CertPathValidator.getInstance("PKIX").validate(path, parameters);
        var names = chain.get(0).getSubjectAlternativeNames();
        return names == null ? "" : names.stream()
            .filter(name -> name.get(0).equals(6))
            .map(name -> (String) name.get(1))
            .collect(Collectors.joining(" "));
    }

    static String connect(String[] columns) throws Exception {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var stream = new FileInputStream(columns[3])) {
            for (var root : CertificateFactory.getInstance("X.509").generateCertificates(stream))
                store.setCertificateEntry("root " + store.size(), root);
        }
        var trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        var end = columns[1].lastIndexOf(':');
        try (var plain = new Socket(columns[1].substring(0, end), Integer.parseInt(columns[1].substring(end + 1)));
            var socket = (SSLSocket) context.getSocketFactory().createSocket(plain, columns[2], plain.getPort(), true)) {
            var parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            if (!columns[2].matches("[0-9.]+")) parameters.setServerNames(List.of(new SNIHostName(columns[2])));
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            return socket.getSession().getCipherSuite();
        }
    }

    public static void main(String[] arguments) throws Exception {
        for (var line : Files.readAllLines(Path.of(arguments[1]))) {
            var columns = line.split("\t");
            try {
                var said = arguments[0].equals("verify") ? verify(columns) : connect(columns);
                System.out.println(columns[0] + "\tok " + said);
            } catch (Exception exception) {
                System.out.println(columns[0] + "\terror " + String.valueOf(exception).replaceAll("\\s+", " "));
            }
        }
    }
}
